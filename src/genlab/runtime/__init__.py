"""What surrounds a run and changes no result.

downloads      files from mirrors, each checked by its sum
errors         the error that a user can fix
files          a file or folder under its final name is always whole
downloads      files from a mirror or public addresses, checked by their sums
progress       notes and bars on standard error
native_output  TensorFlow imported without its own notes
stopping       Ctrl-C and SIGTERM as exceptions, at a moment that is safe
workspace      where the repository is, and its folder `.genlab`
"""

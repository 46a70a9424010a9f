"""A trained model behind one call: what can be asked (`requests`), and the file that MLflow runs (`script`)."""

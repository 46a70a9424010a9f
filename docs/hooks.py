"""The site that `make docs` builds: what MkDocs cannot know about this repository is derived here.

`docs/README.md` is the list of chapters: each of its headings becomes a section of the navigation.
Markdown outside `docs/`, the notebook, folders and the modules of the package become pages too.
Links stay as they are written for the repository; a link to a file that is no page of the site
becomes its text.
"""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import networkx as nx
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "genlab"
LINK = re.compile(r"(!?\[([^\]]*)\])\(([^)\s#:]+)(#[^)\s]*)?\)")
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ARROWHEAD = (
    '<marker id="head" orient="auto" markerWidth="9" markerHeight="8" refX="8" refY="4">'
    '<path d="M0 0 L8 4 L0 8"/></marker>'
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Returns the configuration with the navigation; headings get the anchors that GitHub gives."""
    config.nav = ["README.md", *_chapters(), {"API": _modules(PACKAGE)}]
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Returns the files of docs/ and those from elsewhere that become pages."""
    folders = (path for path in DOCS.iterdir() if path.is_dir() and any(path.glob("*.md")))
    for path in (*ROOT.glob("*.md"), *DOCS.glob("*.ipynb"), *folders, *PACKAGE.rglob("*.py")):
        files.append(File.generated(config, _page(path), abs_src_path=str(path)))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """Returns a page's Markdown where its file is not Markdown itself."""
    path = Path(page.file.abs_src_path)
    if path.is_dir():
        return _contents(path)
    if path.suffix == ".py":
        return f"::: {'.'.join(_module(path))}\n"
    return _notebook(path) if path.suffix == ".ipynb" else None


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Returns a page's Markdown: Mermaid drawn, links changed to lead to pages of the site."""
    folder = Path(page.file.abs_src_path).parent
    here = Path(page.file.src_uri).parent

    def relink(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / link[3]))
        if files.get_file_from_path(_page(path)):
            return f"{link[1]}({os.path.relpath(_page(path), here)}{link[4] or ''})"
        return link[2] if path.exists() else link[0]

    return LINK.sub(relink, MERMAID.sub(lambda block: _drawing(block[1]), markdown))


def _page(path: Path) -> str:
    """Returns the name of a file's page, relative to docs/ as MkDocs counts."""
    if path.is_relative_to(PACKAGE) and path.suffix == ".py":
        name = "index" if path.stem == "__init__" else path.stem
        return (Path("api") / path.relative_to(PACKAGE).with_name(f"{name}.md")).as_posix()
    if path == ROOT / "README.md":
        return "project.md"
    if path.is_dir():
        path = path / "index.md"
    name = os.path.relpath(path, DOCS if path.is_relative_to(DOCS) else ROOT)
    return re.sub(r"\.ipynb$", ".md", name)


def _module(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _chapters() -> Iterator[dict[str, list[str]]]:
    """Yields the sections of docs/README.md: the pages that its lists link to, folders in full."""
    parts = re.split(r"^## (.+)\n", (DOCS / "README.md").read_text(), flags=re.MULTILINE)
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        links = re.findall(r"^- \[.+?\]\((.+?)\)", text, re.MULTILINE)
        paths = [Path(os.path.normpath(DOCS / link)) for link in links]
        pages = (page for path in paths for page in (path, *sorted(path.glob("*.md"))))
        yield {title: [_page(page) for page in pages]}


def _modules(folder: Path) -> list[Any]:
    """Returns the navigation of a package: its own page, then its modules and packages by name."""
    index = folder / "__init__.py"
    entries: list[Any] = [{".".join(_module(index)): _page(index)}]
    for path in sorted(folder.iterdir()):
        if (path / "__init__.py").is_file():
            entries.append({path.name: _modules(path)})
        elif path.suffix == ".py" and path.name != "__init__.py":
            entries.append({path.stem: _page(path)})
    return entries


def _contents(folder: Path) -> str:
    """Returns a page that lists a folder's pages by their titles."""
    lines = [f"# {folder.name.capitalize()}\n"]
    for page in sorted(folder.glob("*.md")):
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({folder.name}/{page.name})")
    return "\n".join(lines)


def _notebook(path: Path) -> str:
    """Returns a notebook as Markdown: code and text output in fences, pictures inside the page."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        is_text = cell.cell_type == "markdown"
        parts.append(cell.source if is_text else f"```python\n{cell.source}\n```")
        parts += [_output(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts)


def _output(output: nbformat.NotebookNode) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="output" src="data:image/png;base64,{data["image/png"].strip()}">'
    return f"```text\n{(output.get('text') or data['text/plain']).rstrip()}\n```"


def _drawing(flowchart: str) -> str:
    """Returns a Mermaid flowchart of named boxes and arrows as SVG, from left to right."""
    names = dict(re.findall(r'(\w+)\["(.+?)"\]', flowchart))
    graph = nx.DiGraph(re.findall(r"(\w+) --> (\w+)", flowchart))
    columns = [sorted(column) for column in nx.topological_generations(graph)]
    places = {
        node: (180 * x, 60 * y) for x, column in enumerate(columns) for y, node in enumerate(column)
    }
    ends = [(*places[first], *places[second]) for first, second in graph.edges]
    arrows = [f'<path d="M{x + 140} {y + 20} L{x2 - 2} {y2 + 20}"/>' for x, y, x2, y2 in ends]
    boxes = [
        f'<rect x="{x}" y="{y}" width="140" height="40" rx="6"/>'
        f'<text x="{x + 70}" y="{y + 25}">{html.escape(names[node])}</text>'
        for node, (x, y) in places.items()
    ]
    size = f"-1 -1 {180 * len(columns) - 38} {60 * max(map(len, columns)) - 18}"
    content = "".join([ARROWHEAD, *arrows, *boxes])
    return f'<div class="flowchart"><svg viewBox="{size}">{content}</svg></div>'

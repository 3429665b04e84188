"""A picture as one HTML page: the drawing, then every box with its details; no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.pictures import texts
from checkpointflow.pictures.picture import Edge, Group, Node, Picture
from checkpointflow.pictures.svg import STYLE, drawing
from checkpointflow.pictures.texts import escaped

_STYLE = """\
:root{color-scheme:light dark}
body{margin:0;font:15px/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,"Noto Sans",\
sans-serif;background:#fff;color:#1c2430}
header,section{max-width:72rem;margin:0 auto;padding:1rem 1.5rem}
h1{font-size:1.5rem;margin:.5rem 0 0}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
header p{margin:.25rem 0;color:#5b6675}
figure{margin:0;padding:.5rem 1rem;overflow-x:auto}
svg.cpf{display:block;margin:0 auto}
svg.cpf a{text-decoration:none}
svg.cpf a:hover .t,svg.cpf a:focus .t{text-decoration:underline}
article{border:1px solid #d5dbe3;border-radius:8px;padding:.6rem 1rem;margin:.6rem 0;scroll-margin-top:1rem}
article:target{border-color:#1a63c4;box-shadow:0 0 0 2px #1a63c433}
article h3{font-size:1rem;margin:0;display:flex;gap:.6rem;flex-wrap:wrap;align-items:baseline}
.kind,.state,.where{font-size:.8rem;font-weight:400;color:#5b6675}
.state{font-weight:600;color:inherit;border:1px solid #c3ccd6;border-radius:99px;padding:0 .6rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0 0;font-size:.87rem}
dt{color:#5b6675}
dd{margin:0;min-width:0}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:20rem;overflow-y:auto;\
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
bdi{overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){
body{background:#12161c;color:#e8edf3}
header p,.kind,.where,dt{color:#a5b1c0}
article{border-color:#333d4b}
.state{border-color:#4a5667}
a{color:#8fbcf7}
}
@media print{article{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_LABEL = 1_000


def render(picture: Picture) -> str:
    """Return the picture as a page that needs nothing beside itself."""
    title = _line(picture.title)
    return (
        "\n".join(
            [
                "<!DOCTYPE html>",
                '<html lang="en">',
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{title}</title>",
                f"<style>\n{_STYLE}{STYLE}</style>",
                "</head>",
                "<body>",
                "<header>",
                f"<h1><bdi>{title}</bdi></h1>",
                *_head(picture),
                "</header>",
                f"<figure>\n{drawing(picture, links=True, headed=False)}</figure>",
                "<section>",
                "<h2>Steps</h2>",
                *_articles(picture, None, ()),
                "</section>",
                "</body>",
                "</html>",
            ]
        )
        + "\n"
    )


def _head(picture: Picture) -> Iterator[str]:
    if picture.about:
        yield f"<p><bdi>{_line(picture.about)}</bdi></p>"
    if picture.run is not None:
        remark = f" ({_line(picture.run.remark)})" if picture.run.remark else ""
        yield f"<p>Run <bdi>{_line(picture.run.run_id)}</bdi>: <strong>{_line(picture.run.status)}</strong>{remark}</p>"


def _articles(picture: Picture, group: str | None, around: tuple[str, ...]) -> Iterator[str]:
    """Yield the boxes in the order of the picture, those inside a group after it."""
    for one in picture.inside.get(group, ()):
        if isinstance(one, Group) or one.shape not in ("start", "exit"):
            yield _article(picture, one, around)
        if isinstance(one, Group):
            yield from (text for text in _articles(picture, one.id, (*around, one.label)))


def _article(picture: Picture, one: Node | Group, around: tuple[str, ...]) -> str:
    state = f'<span class="state">{one.state.mark} {one.state.words}</span>' if one.state is not None else ""
    where = f'<span class="where">in <bdi>{_line(" / ".join(around))}</bdi></span>' if around else ""
    kind = f'<span class="kind">{_line(one.kind)}</span>' if one.kind else ""
    told = [("key", one.key)] if one.key and one.key != one.label else []
    rows = [f"<dt>{_line(name)}</dt><dd><pre>{_text(value)}</pre></dd>" for name, value in (*told, *one.details)]
    rows += [_way(picture, edge) for edge in picture.leaving.get(one.id, ())]
    return (
        f'<article id="{one.id}"><h3><bdi>{_line(one.label)}</bdi>{kind}{state}{where}</h3>'
        f"<dl>{''.join(rows)}</dl></article>"
    )


def _way(picture: Picture, edge: Edge) -> str:
    target = picture.by_id[edge.target]
    words = f' <span class="kind"><bdi>{_line(edge.words)}</bdi></span>' if edge.words else ""
    name = f"<bdi>{_line(target.label)}</bdi>"
    is_there = isinstance(target, Group) or target.shape not in ("start", "exit")
    link = f'<a href="#{target.id}">{name}</a>' if is_there else name
    return f"<dt>then</dt><dd>{link}{words}</dd>"


def _line(text: str) -> str:
    return escaped(texts.cut(texts.one_line(text[: 4 * _MOST_LABEL]), _MOST_LABEL))


def _text(text: str) -> str:
    return escaped(texts.lines(text))

"""A laid out picture as SVG that follows the reader's light or dark scheme; no script, no fonts of its own."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.pictures import texts
from checkpointflow.pictures.layout import WORDS, Drawn, Layout, Placed, laid_out
from checkpointflow.pictures.picture import EdgeKind, Group, Node, Picture
from checkpointflow.pictures.routing import Point, Route
from checkpointflow.pictures.texts import escaped

STYLE = """\
svg.cpf{background:#fff}
.cpf text{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,\
"Noto Sans","DejaVu Sans",sans-serif;fill:#1c2430;unicode-bidi:isolate}
.cpf .t{font-size:13px;font-weight:600}
.cpf .s,.cpf .w{font-size:11px;fill:#5b6675}
.cpf .c{font-size:10px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#3d4755}
.cpf .st{font-size:11px;font-weight:600}
.cpf .h{font-size:17px;font-weight:650}
.cpf .b{fill:#fff;stroke:#8d99a8;stroke-width:1.2}
.cpf .wait .b{fill:#fffaf0;stroke:#b7791f}
.cpf .decision .b{fill:#f3f6ff;stroke:#5b74c9}
.cpf .end .b{fill:#f4f6f8;stroke:#5b6675}
.cpf .reference .b{stroke-dasharray:2 3}
.cpf .failure .b{fill:#fff5f4;stroke:#b3261e;stroke-dasharray:4 3}
.cpf .group>.b{fill:#f6f8fa;stroke:#c3ccd6}
.cpf .d0>.b{fill:#eef2f6}
.cpf .dot{fill:#3d4755;stroke:#3d4755;stroke-width:1.5}
.cpf .ring{fill:none;stroke:#3d4755;stroke-width:1.5}
.cpf .l{fill:#fff;stroke:#c9d1dc;stroke-width:1}
.cpf .e{fill:none;stroke:#5b6675;stroke-width:1.4}
.cpf .a{fill:#5b6675;stroke:none}
.cpf .case .e{stroke:#5b74c9}.cpf .case .a{fill:#5b74c9}
.cpf .skip .e{stroke:#8d99a8;stroke-dasharray:2 4}.cpf .skip .a{fill:#8d99a8}
.cpf .error .e{stroke:#b3261e;stroke-dasharray:6 4}.cpf .error .a,.cpf .error .w{fill:#b3261e}
.cpf .timeout .e{stroke:#a86700;stroke-dasharray:8 3 2 3}.cpf .timeout .a,.cpf .timeout .w{fill:#8a5500}
.cpf .completed>.b{stroke:#2c7a4b;stroke-width:1.8}.cpf .completed>.st{fill:#236b40}
.cpf .failed>.b{stroke:#b3261e;stroke-width:2.6}.cpf .failed>.st{fill:#b3261e}
.cpf .waiting>.b{stroke:#a86700;stroke-width:2.6}.cpf .waiting>.st{fill:#8a5500}
.cpf .running>.b{stroke:#1a63c4;stroke-width:2.6}.cpf .running>.st{fill:#1a63c4}
.cpf .in_doubt>.b{stroke:#7b2cbf;stroke-width:2.6;stroke-dasharray:6 3}.cpf .in_doubt>.st{fill:#7b2cbf}
.cpf .interrupted>.b{stroke:#a86700;stroke-width:1.8;stroke-dasharray:6 3}.cpf .interrupted>.st{fill:#8a5500}
.cpf .cancelled>.b{stroke:#6b6b6b;stroke-dasharray:6 3}.cpf .cancelled>.st{fill:#5b6675}
.cpf .skipped>.b{stroke:#8d99a8;stroke-dasharray:2 3}.cpf .skipped>.st{fill:#5b6675}
.cpf .not_reached>.b{stroke:#b9c2cd;stroke-dasharray:3 3}.cpf .not_reached>.st{fill:#6d7887;font-weight:400}
@media (prefers-color-scheme:dark){
svg.cpf{background:#12161c}
.cpf text{fill:#e8edf3}
.cpf .s,.cpf .w{fill:#a5b1c0}
.cpf .c{fill:#ccd6e2}
.cpf .b{fill:#1b2129;stroke:#66748a}
.cpf .wait .b{fill:#2a2314;stroke:#c9943d}
.cpf .decision .b{fill:#1b2340;stroke:#8ea4f0}
.cpf .end .b{fill:#20262f;stroke:#96a3b5}
.cpf .failure .b{fill:#2b1a1a;stroke:#f0857d}
.cpf .group>.b{fill:#171c23;stroke:#3c4757}
.cpf .d0>.b{fill:#1d232c}
.cpf .dot{fill:#ccd6e2;stroke:#ccd6e2}
.cpf .ring{stroke:#ccd6e2}
.cpf .l{fill:#12161c;stroke:#3c4757}
.cpf .e{stroke:#96a3b5}.cpf .a{fill:#96a3b5}
.cpf .case .e{stroke:#8ea4f0}.cpf .case .a{fill:#8ea4f0}
.cpf .skip .e{stroke:#7c899b}.cpf .skip .a{fill:#7c899b}
.cpf .error .e{stroke:#f0857d}.cpf .error .a,.cpf .error .w{fill:#f0857d}
.cpf .timeout .e{stroke:#e0aa50}.cpf .timeout .a,.cpf .timeout .w{fill:#e0aa50}
.cpf .completed>.b{stroke:#57b57e}.cpf .completed>.st{fill:#6fcf97}
.cpf .failed>.b{stroke:#f0857d}.cpf .failed>.st{fill:#f0857d}
.cpf .waiting>.b{stroke:#e0aa50}.cpf .waiting>.st{fill:#e0aa50}
.cpf .running>.b{stroke:#6aa8f5}.cpf .running>.st{fill:#6aa8f5}
.cpf .in_doubt>.b{stroke:#c58cf0}.cpf .in_doubt>.st{fill:#c58cf0}
.cpf .interrupted>.b{stroke:#e0aa50}.cpf .interrupted>.st{fill:#e0aa50}
.cpf .cancelled>.st,.cpf .skipped>.st{fill:#a5b1c0}
.cpf .not_reached>.b{stroke:#4a5667}.cpf .not_reached>.st{fill:#8a97a9}
}
"""
"""Light colours first, dark ones by media query; lines differ by their dashes too, states by their words."""

MARGIN = 24.0
_LEGEND: tuple[tuple[EdgeKind, str], ...] = (
    ("next", "then"), ("case", "if the condition is true"), ("skip", "skipped: `if` is false"),
    ("error", "on error"), ("timeout", "on timeout"),
)  # fmt: skip
_LEGEND_WIDTHS = {"next": 76.0, "case": 186.0, "skip": 178.0, "error": 100.0, "timeout": 110.0}


def render(picture: Picture) -> str:
    """Return the picture as an SVG document."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + drawing(picture, links=False, headed=True)


def drawing(picture: Picture, *, links: bool, headed: bool) -> str:
    """Return the `svg` element: with links from boxes to `#ID`, and with the title above if `headed`."""
    layout = laid_out(picture)
    head = _heading(picture) if headed else []
    top = MARGIN + 22.0 * len(head)
    legend, legend_width = _legend(picture, top + layout.height + 28)
    named = max((texts.sans(text, 17 if not row else WORDS) for row, text in enumerate(head)), default=0.0)
    width = max(layout.width, legend_width, min(named, 900.0)) + 2 * MARGIN
    height = top + layout.height + 28 + 20
    moved = layout.shifted((width - layout.width) / 2, top)
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    title = escaped(texts.one_line(picture.title)[:300])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cpf" role="img" {size} aria-label="{title}">',
        f"<title>{title}</title>",
        *([f"<style>{STYLE}</style>"] if headed else []),
        *(_head_row(row, text) for row, text in enumerate(head)),
        *_drawn(picture, moved, links=links),
        *legend,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _heading(picture: Picture) -> list[str]:
    rows = [texts.one_line(picture.title), texts.one_line(picture.about)]
    if picture.run is not None:
        remark = f" ({picture.run.remark})" if picture.run.remark else ""
        rows.append(texts.one_line(f"run {picture.run.run_id}: {picture.run.status}{remark}"))
    return [texts.cut(row, 100) for row in rows if row]


def _head_row(row: int, text: str) -> str:
    style = "h" if row == 0 else "s"
    return f'<text class="{style}" x="{_n(MARGIN)}" y="{_n(MARGIN + 10 + 20 * row)}">{escaped(text)}</text>'


def _legend(picture: Picture, y: float) -> tuple[list[str], float]:
    """Return a line that tells what the arrows mean, if there is more than one sort of them."""
    kinds = {"next" if edge.kind == "jump" else edge.kind for edge in picture.edges}
    shown = [(kind, words) for kind, words in _LEGEND if kind in kinds]
    if kinds <= {"next"}:
        return [], 0.0
    lines, x = [], MARGIN
    for kind, words in shown:
        line = f'<path class="e" d="M{_n(x)} {_n(y)}h26"/>'
        text = f'<text class="s" x="{_n(x + 34)}" y="{_n(y + 4)}">{escaped(words)}</text>'
        lines.append(f'<g class="{kind}">{line}{text}</g>')
        x += _LEGEND_WIDTHS[kind]
    return lines, x - MARGIN


# -- boxes -----------------------------------------------------------------------------------------


def _drawn(picture: Picture, layout: Layout, *, links: bool) -> Iterator[str]:
    """Yield the groups, the edges over them, then the boxes over the edges."""
    depths = {None: 0} | {group.id: 0 for group in picture.groups}
    groups = [placed for placed in layout.boxes if isinstance(placed.one, Group)]
    for placed in groups:
        depths[placed.one.id] = depths[placed.one.group] + 1
        yield _box(placed, f"group d{depths[placed.one.id] % 2}", links=links)
    for drawn in layout.edges:
        yield _edge(picture, drawn)
    for placed in layout.boxes:
        if isinstance(placed.one, Node):
            yield _box(placed, placed.one.shape, links=links)


def _box(placed: Placed, shape: str, *, links: bool) -> str:
    one, rows = placed.one, placed.rows
    status = f" {one.state.status}" if one.state is not None else ""
    parts = [f"<title>{escaped(hint(one))}</title>", _outline(placed, shape)]
    middle, y = placed.x + placed.width / 2, placed.y + 22.0
    if rows.label:
        parts.append(_text("t", middle, y, rows.label))
    for style, text in (("s", rows.about), ("st", rows.state)):
        if text:
            y += 15.0
            parts.append(_text(style, middle, y, text))
    inner = "".join(parts)
    box = f'<g class="{shape}{status}">{inner}</g>'
    return f'<a href="#{one.id}">{box}</a>' if links and rows.label else box


def hint(one: Node | Group) -> str:
    """Return the title of a box: its label, kind and state, then its details, a line each."""
    told = " · ".join(part for part in (one.label or one.kind, one.kind, one.state.words if one.state else "") if part)
    lines = [f"{name}: {value[:300]}" for name, value in one.details]
    return texts.lines("\n".join([texts.one_line(told), *lines]))


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{_n(x)}" y="{_n(y)}" text-anchor="middle">{escaped(text)}</text>'


def _outline(placed: Placed, shape: str) -> str:
    x, y, width, height = placed.x, placed.y, placed.width, placed.height
    if shape in ("start", "exit"):
        middle = f'cx="{_n(x + width / 2)}" cy="{_n(y + height / 2)}"'
        ring = f'<circle class="ring" {middle} r="{_n(width / 2)}"/>' if shape == "exit" else ""
        return f'{ring}<circle class="dot" {middle} r="{_n(width / 2 - (4 if ring else 0))}"/>'
    if shape == "decision":
        side, half = 14.0, height / 2
        points = [(x + side, y), (x + width - side, y), (x + width, y + half), (x + width - side, y + height)]
        points += [(x + side, y + height), (x, y + half)]
        return f'<polygon class="b" points="{" ".join(f"{_n(px)},{_n(py)}" for px, py in points)}"/>'
    radius = {"end": height / 2, "failure": height / 2, "wait": 3.0}.get(shape, 8.0)
    box = _rectangle("b", (x, y, width, height), min(radius, 22.0))
    if shape == "wait":  # a second edge on the left: somebody or something has to come
        box += f'<path class="b" d="M{_n(x + 5)} {_n(y)}v{_n(height)}"/>'
    return box


def _rectangle(style: str, box: tuple[float, float, float, float], radius: float) -> str:
    x, y, width, height = map(_n, box)
    return f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{_n(radius)}"/>'


# -- edges -----------------------------------------------------------------------------------------


def _edge(picture: Picture, drawn: Drawn) -> str:
    edge = drawn.edge
    source, target = picture.by_id[edge.source], picture.by_id[edge.target]
    ends = f"{source.label or 'start'} → {target.label}"
    words = f": {edge.words}" if edge.words else ""
    parts = [f"<title>{escaped(texts.one_line(ends + words)[:600])}</title>"]
    parts.append(f'<path class="e" d="{"".join(map(_way, drawn.routes))}"/>')
    last = drawn.routes[-1]
    parts.append(_joint(last.points[-1]) if last.joins else _arrow(last.points[-1]))
    if drawn.label_box is not None:
        x, y, width, _ = drawn.label_box
        parts.append(_rectangle("l", drawn.label_box, 4.0))
        for row, text in enumerate(drawn.label):
            parts.append(_text("c", x + width / 2, y + 13 + 13 * row - 0.5, text))
    elif drawn.label:
        x, y = drawn.routes[0].points[0]
        parts.append(f'<text class="w" x="{_n(x + 5)}" y="{_n(y + 12)}">{escaped(drawn.label[0])}</text>')
    return f'<g class="edge {edge.kind}">{"".join(parts)}</g>'


def _way(route: Route) -> str:
    if route.is_curve:
        start, bend, far, end = route.points
        middle = _n((bend[1] + far[1]) / 2)
        curve = f"C{_n(bend[0])} {middle} {_n(far[0])} {middle} {_n(far[0])} {_n(far[1])}"
        return f"M{_p(start)}L{_p(bend)}{curve}L{_p(end)}"
    first, *rest = route.points
    pieces = [f"M{_p(first)}"]
    for before, point, after in zip(route.points, rest, rest[1:], strict=False):
        pieces.append(_rounded(before, point, after))
    return "".join(pieces) + f"L{_p(rest[-1])}"


def _rounded(before: Point, corner: Point, after: Point) -> str:
    radius = min(7.0, _length(before, corner) / 2, _length(corner, after) / 2)
    return f"L{_p(_towards(corner, before, radius))}Q{_p(corner)} {_p(_towards(corner, after, radius))}"


def _length(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(point: Point, other: Point, far: float) -> Point:
    length = _length(point, other) or 1.0
    return point[0] + (other[0] - point[0]) * far / length, point[1] + (other[1] - point[1]) * far / length


def _arrow(tip: Point) -> str:
    return f'<path class="a" d="M{_p(tip)}l-4 -8h8z"/>'


def _joint(place: Point) -> str:
    return f'<circle class="a" cx="{_n(place[0])}" cy="{_n(place[1])}" r="2.4"/>'


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(value: float) -> str:
    """Return a number as short as it can be written, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")

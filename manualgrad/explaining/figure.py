"""The drawing of a trace as an image file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manualgrad.explaining.drawing import FONT, GRADIENT, NAME, SMALL, VALUE, draw
from manualgrad.explaining.trace import Trace

FORMATS = (".png", ".svg", ".pdf")
COLOURS = {VALUE: "#1a7f37", GRADIENT: "#cf222e", NAME: "#57606a"}
FILLS = {"input": "#eef3fb", "parameter": "#fff8e6", "neuron": "#ffffff", "operation": "#f3f0fa", "loss": "#fdeeee"}
INCH = 100.0  # pixels of the drawing to an inch
HEAD = 56.0  # room for the title


def draw_figure(trace: Trace, title: str, path: Path) -> Path:
    """Write the drawing to `path`. The same trace gives the same file, byte for byte."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"figure: the file must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {path.name}")
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    drawing = draw(trace)
    width, height = max(drawing.width, 420.0), drawing.height + HEAD
    settings: Any = {"svg.hashsalt": "manualgrad", "font.family": "DejaVu Sans Mono", "text.parse_math": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width / INCH, height / INCH), dpi=INCH)
        axes: Any = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        axes.text(16, 20, title, fontsize=12, va="center", color="#1f2328", family="DejaVu Sans", weight="bold")
        legend = (("values", VALUE), ("gradients", GRADIENT))
        for i, (word, kind) in enumerate(legend):
            axes.text(16 + 80 * i, 42, word, fontsize=_points(SMALL), va="center", color=COLOURS[kind])
        for edge in drawing.edges:
            xs, ys = zip(*edge.points, strict=True)
            axes.plot(xs, [y + HEAD for y in ys], color="#afb8c1", linewidth=1.1, zorder=1)
        for node in drawing.nodes:
            corner = (node.x - node.width / 2, node.y - node.height / 2 + HEAD)
            box = FancyBboxPatch(
                corner, node.width, node.height, boxstyle="round,pad=0,rounding_size=7", facecolor=FILLS[node.kind],
                edgecolor="#8c959f", linewidth=1.1, zorder=2,
            )  # fmt: skip
            axes.add_patch(box)
        on_edges = {id(t) for edge in drawing.edges for t in edge.texts}
        for text in drawing.texts:
            size = _points(SMALL if text.kind == NAME else FONT)
            halo = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if id(text) in on_edges else None
            axes.text(
                text.x, text.y + HEAD, text.text, ha="center", va="center", fontsize=size, color=COLOURS[text.kind],
                zorder=3, bbox=halo,
            )  # fmt: skip
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, metadata=metadata, facecolor="white")
    return path


def _points(pixels: float) -> float:
    return pixels * 72 / INCH

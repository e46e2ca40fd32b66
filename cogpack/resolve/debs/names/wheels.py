"""Wheels that start a program, or load a library, which no wheel has."""

from collections.abc import Mapping, Sequence

import msgspec


class Want(msgspec.Struct, frozen=True):
    """Says what a wheel wants of the system. `module`: what imports it; `packages`: Debian's that have it, of each
    tuple any one will do, the first is told.

    `always`: its import fails without, so that it counts where another wheel may import it; `pure`: of its wheels
    without an architecture alone, since the others have it in them.
    """

    module: str
    does: str
    packages: Sequence[tuple[str, ...]]
    always: bool = False
    pure: bool = False


_GLIB = ("libglib2.0-0", "libglib2.0-0t64")
_OPENCV = Want("cv2", "loads libGL.so.1 and libgthread-2.0.so.0", (("libgl1",), _GLIB), always=True)
_FFMPEG = (("ffmpeg",),)
_X11 = ("libx11-6",)

WANTS: Mapping[str, Want] = {
    # Read in the wheels named, 2026-11-29: the file that does it.
    "cairocffi": Want("cairocffi", "loads libcairo.so.2", (("libcairo2",),), always=True),  # 1.7.1, __init__.py
    "ffmpeg-python": Want("ffmpeg", "runs ffmpeg", _FFMPEG),  # 0.2.0, _run.py
    "ffmpy": Want("ffmpy", "runs ffmpeg", _FFMPEG),  # 1.0.0, ffmpy.py
    "gitpython": Want("git", "runs git when it is imported", (("git",),)),  # 3.2.1, git/cmd.py: refresh
    "graphviz": Want("graphviz", "runs dot", (("graphviz",),)),  # 0.21, backend/execute.py
    "opencv-contrib-python": _OPENCV,  # 5.1.0.95, DT_NEEDED
    "opencv-python": _OPENCV,  # 4.8.1.78 and 5.0.0.93, DT_NEEDED
    "openai-whisper": Want("whisper", "runs ffmpeg", _FFMPEG),  # 20250625, audio.py: load_audio
    "pdf2image": Want("pdf2image", "runs pdftoppm", (("poppler-utils",),)),  # 1.17.0, pdf2image.py
    "phonemizer": Want("phonemizer", "loads libespeak-ng", (("espeak-ng", "libespeak-ng1", "espeak"),)),  # 3.4.0
    "pydub": Want("pydub", "runs ffmpeg", _FFMPEG),  # 0.25.1, utils.py: get_encoder_name
    "pygame": Want("pygame", "loads libX11.so.6 and libgthread-2.0.so.0", (_X11, _GLIB)),  # 2.6.1, scrap and mixer
    "pymeshlab": Want("pymeshlab", "loads libGL.so.1", (("libgl1",),), always=True),  # 2023.12.post3, DT_NEEDED
    "pypandoc": Want("pypandoc", "runs pandoc", (("pandoc",),)),  # 1.17; pypandoc_binary has its own
    "pytesseract": Want("pytesseract", "runs tesseract", (("tesseract-ocr",),)),  # 0.3.13, pytesseract.py
    "python-magic": Want("magic", "loads libmagic.so.1", (("libmagic1", "libmagic1t64"),)),  # 0.4.27, loader.py
    "pyttsx3": Want("pyttsx3", "loads libespeak-ng", (("espeak-ng", "libespeak-ng1"),)),  # 2.99
    "pyzbar": Want("pyzbar", "loads libzbar.so.0", (("libzbar0", "libzbar0t64"),)),  # 0.1.9, zbar_library.py
    "rdkit": Want(  # 2026.9.1, DT_NEEDED of what draws
        "rdkit", "loads libXrender.so.1", (("libxrender1",), ("libxext6",), _X11, ("libexpat1",))
    ),
    "sounddevice": Want("sounddevice", "loads libportaudio", (("libportaudio2",),), always=True),  # 0.5.6
    "soundfile": Want("soundfile", "loads libsndfile.so.1", (("libsndfile1",),), always=True, pure=True),  # 0.14.0
    "sox": Want("sox", "runs sox", (("sox",),)),  # 1.4.1, core.py
    "tabula-py": Want("tabula", "runs java", (("default-jre-headless", "openjdk-*"),)),  # 2.10.0, backend.py
    "taichi": Want("taichi", "loads libX11.so.6", (_X11,), always=True),  # 1.7.4, DT_NEEDED
    "vtk": Want(  # 9.3.1, DT_NEEDED
        "vtk", "loads libGL.so.1 and libXrender.so.1", (("libgl1",), _X11, ("libxrender1",)), always=True
    ),
    "wand": Want("wand", "loads libMagickWand", (("libmagickwand-dev", "libmagickwand-*"),)),  # 0.7.2, api.py
    "weasyprint": Want("weasyprint", "loads libpango", (("libpangoft2-1.0-0",),)),  # 70.0, text/ffi.py
}
"""By the canonical name of the wheel. Not of them: moviepy and imageio, which run the ffmpeg of imageio-ffmpeg's wheel
(moviepy 2.2.1, config.py), and torch and triton, which want a C compiler for what few models do: sources tell."""

"""Hide passwords in addresses before they are shown, logged or written."""

from __future__ import annotations

import re

IN_A_PASSWORD = "in a password write %2F for /, %23 for # and %3F for ?"

_LOGIN = re.compile(
    r"""(:/{1,2}[^\s/?#:'"\[]*):(?:[^/?#]*|(?!\d*[/?]).*)@"""  # also a password with / ? or #, which nothing can open
    r"""|((?<![^\s'"=])[^\s/?#:'"=]+):[^\s/?#]+@""",  # an address whose rtsp:// was forgotten
    re.DOTALL,
)
_ADDRESS = re.compile(r"\w:/{1,2}\S+")
_OPTION = re.compile(
    r"([/?&;#][^\s=&/?#]*(?:pas|pwd|psw|token|secret|auth|credential|key(?==))[^\s=&/?#]*=)[^&#\s]+", re.IGNORECASE
)


def without_passwords(text: str) -> str:
    """``rtsp://admin:***@host/`` for ``rtsp://admin:secret@host/``; the same for passwords in the options of a URI."""
    text = _LOGIN.sub(lambda found: f"{found[1] or found[2]}:***@", text)
    return _ADDRESS.sub(lambda found: _OPTION.sub(r"\1***", found[0]), text)

"""Photos of a site, without what they tell of the photographer.

A photo is drawn anew, upright and at most 1600 pixels wide or high: place, time, maker, thumbnails and
whatever hides behind the end of the file are gone, because only pixels come through.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from gateway.errors import GatewayError

LARGEST_PX = 1600
MOST_BYTES = 25_000_000
MOST_PIXELS = 120_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")


class PhotoError(GatewayError):
    """A file that is no photo we can take; `code` is too_large or no_photo."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def clean_photo(content: bytes) -> bytes:
    """Return a JPEG with the pixels of a photo and nothing else. Raises PhotoError."""
    if len(content) > MOST_BYTES:
        raise PhotoError("too_large", f"a photo of at most {MOST_BYTES // 1_000_000} MB, please")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF, which goes anyway
            with Image.open(io.BytesIO(content), formats=_FORMATS) as found:
                if found.width * found.height > MOST_PIXELS:
                    raise PhotoError("too_large", "a photo of at most 120 million pixels, please")
                found.draft("RGB", (LARGEST_PX, LARGEST_PX))
                upright = ImageOps.exif_transpose(found).convert("RGB")
    except PhotoError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError("no_photo", "this file is no photo: take one as JPEG, PNG or WebP") from error
    upright.thumbnail((LARGEST_PX, LARGEST_PX))
    bare = Image.frombytes("RGB", upright.size, upright.tobytes())  # takes no EXIF, ICC, XMP or comment along
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()

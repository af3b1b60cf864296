"""Makes docs/images/demo.jpg, the picture in the README, out of the contact sheet that `make demo` writes.

.venv/bin/python docs/images/make_demo.py demo/contact_sheet.png docs/images/demo.jpg
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

TILE, GAP, HEAD = 600, 10, 40
ROWS = (1, 3)
"""Of the sheet's four frames: one in the middle of the pan, and the last, which has no later frame to look at."""


def main(sheet_path: str, picture_path: str) -> None:
    """Two columns a frame, plate and result over truth and origin, so that it can be read at the width of a page."""
    sheet = cv2.imread(sheet_path)
    height = (sheet.shape[0] - HEAD) // 4 - GAP
    columns = [slice(GAP + at * (TILE + GAP), GAP + at * (TILE + GAP) + TILE) for at in range(4)]
    gap = np.full((GAP, 2 * TILE + GAP, 3), sheet[0, 0], np.uint8)
    bands = []
    for row in ROWS:
        rows = slice(HEAD + row * (height + GAP), HEAD + row * (height + GAP) + height)
        for pair in (columns[:2], columns[2:]):
            heads, tiles = ([sheet[part, column] for column in pair] for part in (slice(0, HEAD), rows))
            for left, right in (heads, tiles):
                bands.append(np.hstack([left, gap[:1, :GAP].repeat(len(left), axis=0), right]))
        bands.append(gap)
    cv2.imwrite(picture_path, np.vstack(bands[:-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(*sys.argv[1:])

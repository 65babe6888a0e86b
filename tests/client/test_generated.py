from __future__ import annotations

import shutil
from pathlib import Path

from plaza.dev.client import TARGET, generated, write

REPOSITORY = Path(__file__).parents[2]


def test_the_structs_are_as_the_documents_say() -> None:
    assert write(REPOSITORY, check=True) == [], "run `make docs`"


def test_a_stale_file_is_found(tmp_path: Path) -> None:
    (tmp_path / TARGET).mkdir(parents=True)
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    assert set(write(tmp_path)) == generated(tmp_path).keys()
    assert write(tmp_path, check=True) == []
    frames = tmp_path / TARGET / "frames.py"
    frames.write_text(frames.read_text().replace("message.new", "message.old"))
    assert write(tmp_path, check=True) == [frames]

from __future__ import annotations

from pathlib import Path

import pytest

from syndicate.core.render.templates import TemplateSet
from syndicate.errors import TemplateError
from syndicate.io.templates import find_templates, read_templates
from syndicate.shipped import shipped


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_own_templates_win_and_a_missing_folder_is_empty(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours", digest__a_html="ours", digest__b_html="ours", notes_md="no template")
    own = write(tmp_path / "own", digest__b_html="own")
    assert read_templates([ours, own, tmp_path / "nowhere"]) == {"digest/a.html": "ours", "digest/b.html": "own"}


def test_own_words_of_a_language_leave_the_shipped_ones_beneath(tmp_path: Path) -> None:
    own = write(tmp_path, words__de_toml='unsubscribe = "Tschüss"', words__pt_toml='unsubscribe = "Sair"')
    templates = TemplateSet(read_templates([shipped("templates"), own]))
    plain = TemplateSet(read_templates([shipped("templates")]))
    german, portuguese = templates.words("de"), templates.words("pt-BR")
    assert german == plain.words("de") | {"unsubscribe": "Tschüss"}
    english = write(tmp_path / "more", words__en_toml='more = "Yet more"')
    assert TemplateSet(read_templates([shipped("templates"), english])).words("en") == plain.words("en") | {
        "more": "Yet more"
    }
    assert portuguese == plain.words("en") | {"unsubscribe": "Sair", "language": "pt"}


def test_one_file_that_is_no_text_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, digest__a_html=b"<p>\xff", digest__b_html="fine", words__c_toml=b"\xff")
    found, errors = find_templates([tmp_path])
    assert found == {"digest/b.html": "fine"}
    assert [(error.name, "is not UTF-8" in str(error)) for error in errors] == [
        ("digest/a.html", True),
        ("words/c.toml", True),
    ]
    with pytest.raises(TemplateError, match=r"digest/a.html: is not UTF-8 \(byte 3\)"):
        read_templates([tmp_path])

"""One mail for several digests, as an operator sees it: check, run, issues show, why, preview, replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from calls import Call
from publisher import Publisher

ANN = "ann@example.org"


@pytest.fixture
def publisher(tmp_path: Path, syndicate: Call) -> Publisher:
    publisher = Publisher(tmp_path, frequencies=("instant",), digest='merge = "subscriber"')
    publisher.more = '[digest.sport]\ntitle = "Sport Courier"\nfrequencies = ["instant"]\nmerge = "subscriber"\n'
    publisher.write()
    publisher.article("storm")
    assert syndicate("poll").status == 0
    for digest in ("morning", "sport"):
        assert syndicate("subscribers", "add", ANN, "--digest", digest, "--confirmed").status == 0
    return publisher


def test_two_issues_share_a_mail_and_every_command_says_so(publisher: Publisher, syndicate: Call) -> None:
    assert syndicate("check").status == 0
    previewed = syndicate("preview", "sport", "--subscriber", ANN, "--json").document
    assert previewed["digests"] == ["morning", "sport"]
    assert syndicate("run", "--once").status == 0
    issues = {each["digest"]: each for each in syndicate("issues", "list", "--json").document["issues"]}
    assert {each["counts"]["accepted"] for each in issues.values()} == {1}
    assert len(list((publisher.folder / "outbox" / "new").iterdir())) == 1
    first, second = issues["morning"]["id"], issues["sport"]["id"]
    shown = syndicate("issues", "show", str(first), "--json").document
    assert shown["joined"] == [{"issue": second, "digest": "sport", "mails": 1}]
    assert f"1 in one mail with issue {second} (sport)" in syndicate("issues", "show", str(first)).out
    told = {each["digest"]: each for each in syndicate("why", ANN, "--json").document["issues"]}
    assert told["sport"]["same_mail"] == [{"issue": first, "digest": "morning"}]
    assert f"one mail with issue {first} (morning): same Message-ID, same outcome" in syndicate("why", ANN).out
    sent = next((publisher.folder / "outbox" / "new").iterdir()).read_bytes().replace(b"\r\n", b"\n")
    assert b"List-Id: The Harbour Courier <digests.courier.example>" in sent

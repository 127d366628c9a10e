"""The cases of AWS's Device Advisor, as `make advisor` prints them."""

import json

from tests.faults import advisor


def test_all_cases_of_the_advisor_pass(capsys):
    code = advisor.main(["--json"])
    results = json.loads(capsys.readouterr().out)
    assert [result for result in results if result["result"] != "pass"] == []
    assert code == 0
    assert len(results) >= 20


def test_a_failed_case_is_told(monkeypatch, capsys):
    def broken(lab):
        raise AssertionError("not so")

    monkeypatch.setattr(advisor, "CASES", [("MQTT", "a case", broken)])
    assert advisor.main([]) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out and "not so" in out

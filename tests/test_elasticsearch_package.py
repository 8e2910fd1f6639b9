from __future__ import annotations

from pathlib import Path

import pytest

from tests.elasticsearch_package import unavailable


@pytest.mark.parametrize(
    ("in_ci", "programs", "outcome"),
    [
        ("", ["java", "mvn"], pytest.skip.Exception),
        ("true", ["java"], pytest.skip.Exception),
        ("true", ["java", "mvn"], pytest.fail.Exception),
    ],
)
def test_a_missing_server_is_a_failure_where_it_could_be_had(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_ci: str,
    programs: list[str],
    outcome: type[BaseException],
) -> None:
    for name in programs:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", in_ci)
    with pytest.raises(outcome, match="no JDK, or ELASTICSEARCH_URL"):
        unavailable("no JDK")

"""docs/operation.md: its table has every quota, and the defaults of the settings."""

from dataclasses import fields

from support.readme import ROOT

from hookstream_keys.domain.quotas import Quotas
from hookstream_keys.settings import Settings

PAGE = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
HEADING = "| setting | default | what is counted |\n"
#: It ends an older session instead.
OF_SESSIONS = "HOOKSTREAM_MAX_SESSIONS_PER_USER"


def shown() -> dict[str, str]:
    table = PAGE.partition(HEADING)[2].partition("\n\n")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines()[1:]]
    return {row[0].strip(" `"): row[1] for row in rows}


def test_every_quota_is_shown_with_its_default() -> None:
    settings = Settings()
    quotas = [getattr(settings.quotas, item.name) for item in fields(Quotas)]
    defaults = {quota.variable: str(quota.most) for quota in quotas}
    assert shown() == defaults | {OF_SESSIONS: settings.max_sessions_per_user}


def test_every_quota_names_a_setting() -> None:
    known = {item.metadata["variable"] for item in fields(Settings)}
    assert set(shown()) <= known

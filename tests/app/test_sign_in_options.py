"""What the settings of sign-ins mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.sign_in_options import ChallengeSettings, SignInSettings, check_sign_in
from mailward.app.web import always_two
from mailward.base.ids import UserId


@pytest.mark.asvs("6.3.3")
@pytest.mark.claim("AUTHN-3")
@pytest.mark.parametrize(("who", "needs"), [("workspace", False), ("everybody", True)])
async def test_who_needs_a_second_factor(who: str, needs: bool) -> None:
    """With "everybody" a person who is no operator needs one; by default only operators and where a workspace asks."""

    async def get(user: UserId) -> None:
        return None

    tx: Any = SimpleNamespace(operators=SimpleNamespace(get=get))
    settings = SignInSettings(second_factor=who)
    assert check_sign_in(ChallengeSettings(), settings) == ""
    assert await always_two(settings)(tx, UserId("usr_1")) is needs


def test_what_is_no_choice_is_refused() -> None:
    """A word that nobody knows stops the start, by its name."""
    assert "sign_in.second_factor" in check_sign_in(ChallengeSettings(), SignInSettings(second_factor="some"))

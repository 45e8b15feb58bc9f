import pytest

from gemini_proxy.app.local import REMEDIES
from gemini_proxy.upstreams.code_assist import eligibility


@pytest.mark.parametrize("reason", [*eligibility.REASONS, "BRAND_NEW_REASON", ""])
def test_every_reason_has_words_and_is_final(reason: str) -> None:
    error = eligibility.refusal(reason, "Google's text.")
    assert error.status == 403
    assert error.retry is False
    assert len(error.message.splitlines()[0].split()) > 5
    assert 'Google says: "Google\'s text."' in error.message


@pytest.mark.parametrize(
    "reason", [r for r, (code, _) in eligibility.REASONS.items() if code == eligibility.NOT_ELIGIBLE]
)
def test_it_says_what_still_works(reason: str) -> None:
    error = eligibility.refusal(reason)
    assert error.code == "account_not_eligible"
    assert "GOOGLE_CLOUD_PROJECT" in error.message
    assert "GEMINI_API_KEY" in error.message
    assert "--mode reverse:https://generativelanguage.googleapis.com" in error.message


def test_a_suspended_account_is_not_told_to_buy_a_licence() -> None:
    error = eligibility.refusal("TOS_VIOLATION", "Appeal.", "https://forms.example/appeal")
    assert error.code == "account_suspended"
    assert "appeal" in error.message
    assert "https://forms.example/appeal" in error.message
    assert "GEMINI_API_KEY" in error.message
    assert "icence" not in error.message + REMEDIES[error.code]


def test_personal_accounts() -> None:
    message = eligibility.refusal("UNSUPPORTED_CLIENT").message
    assert "18 June 2026" in message
    assert "personal accounts" in message


def test_the_link_is_the_way_out() -> None:
    error = eligibility.refusal("VALIDATION_REQUIRED", "Verify\n\nyour account", "https://accounts.google.com/x")
    assert error.code == "validation_required"
    assert error.message.endswith('Google says: "Verify your account"\nLink: https://accounts.google.com/x')


def test_a_link_that_google_named_is_not_said_twice() -> None:
    assert (
        eligibility.refusal("TOS_VIOLATION", "See https://a.example", "https://a.example").message.count(
            "https://a.example"
        )
        == 1
    )


def test_a_word_that_is_new_is_named() -> None:
    assert "(BRAND_NEW_REASON)" in eligibility.refusal("BRAND_NEW_REASON").message

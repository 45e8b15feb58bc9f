"""The models Code Assist serves and what each family accepts."""

from __future__ import annotations

from dataclasses import dataclass, replace

LEVELS_ALL = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
INPUT_LIMIT = 1_048_576
OUTPUT_LIMIT = 65_536


@dataclass(frozen=True)
class Family:
    """What a model id can do."""

    budgets: tuple[int, int] = (0, 0)  # smallest and largest thinkingBudget that is not 0 or -1
    can_be_off: bool = False  # thinkingBudget 0
    thinks_by_default: bool = True
    levels: tuple[str, ...] = ()  # empty: thinkingLevel is refused
    gemini_3: bool = False  # signs calls, checks signatures, gives calls an id
    closing_turn: bool = True  # takes a conversation that ends with the model's turn
    system_instruction: bool = True
    penalties: bool = False  # since 2.5 any but 0 is refused
    thinking: bool = True  # else any thinkingConfig that asks for something is refused
    modalities: tuple[str, ...] = ("TEXT",)  # of its answers; more than one may be asked for together


PRO_25 = Family(budgets=(128, 32_768))
FLASH_25 = Family(budgets=(1, 24_576), can_be_off=True)
LITE_25 = Family(budgets=(512, 24_576), can_be_off=True, thinks_by_default=False)
PRO_3 = Family(budgets=(1, 32_768), levels=("LOW", "HIGH"), gemini_3=True)
PRO_31 = Family(budgets=(1, 32_768), levels=("LOW", "MEDIUM", "HIGH"), gemini_3=True)
FLASH_3 = Family(budgets=(1, 24_576), can_be_off=True, levels=LEVELS_ALL, gemini_3=True)
FLASH_35 = replace(FLASH_3, closing_turn=False)
FLASH_37 = replace(FLASH_35, levels=("LOW", "MEDIUM", "HIGH"))

# Ids of quota buckets, of error metadata, and of the CLI's tables; anything else is a 404.
SERVED: dict[str, Family] = {
    "gemini-2.5-pro": PRO_25,
    "gemini-2.5-flash": FLASH_25,
    "gemini-2.5-flash-lite": LITE_25,
    "gemini-3-pro-preview": PRO_3,
    "gemini-3.1-pro-preview": PRO_31,
    "gemini-3-flash-preview": FLASH_3,
    "gemini-3.1-flash-lite-preview": FLASH_3,
    "gemini-3.1-flash-lite": FLASH_3,
    "gemini-3-flash": FLASH_35,  # Code Assist's name of 3.5 Flash
    "gemini-3.5-flash": FLASH_35,
    "gemini-3.5-flash-lite": FLASH_35,
    "gemini-3.7-flash": FLASH_37,
    "gemini-3.8-flash": FLASH_37,
}
IMAGE = Family(thinks_by_default=False, thinking=False, modalities=("TEXT", "IMAGE"))
IMAGE_31 = replace(FLASH_3, can_be_off=False, levels=("MINIMAL", "HIGH"), modalities=("TEXT", "IMAGE"))
SPEECH = Family(thinks_by_default=False, thinking=False, modalities=("AUDIO",))
GEMMA_3 = Family(thinks_by_default=False, thinking=False, system_instruction=False, penalties=True)
MEDIA = {
    "gemini-2.5-flash-image": IMAGE,
    "gemini-2.5-flash-preview-tts": SPEECH,
    "gemini-3.1-flash-image-preview": IMAGE_31,
    "gemini-3.1-flash-tts-preview": SPEECH,
    "gemma-3n-e4b-it": GEMMA_3,
}
# The models of the public API that generate content; gemini-3-flash is a name of Code Assist's alone.
PUBLIC: dict[str, Family] = {name: family for name, family in SERVED.items() if name != "gemini-3-flash"} | MEDIA
# Models of the public API that embed -> whether a shortened vector still has length 1.
EMBEDDING = {"gemini-embedding-001": False, "gemini-embedding-2": True}
# What retrieveUserQuota lists; a preview id among them is what gives a client "preview access".
IN_QUOTA = (
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "gemini-3.1-flash-lite-preview",
    "gemini-3.1-pro-preview",
)


def thinks(family: Family, generation: dict[str, object]) -> bool:
    config = generation.get("thinkingConfig")
    budget = config.get("thinkingBudget") if isinstance(config, dict) else None
    if budget is None:
        return family.thinks_by_default
    return bool(budget != 0)


@dataclass(frozen=True)
class Service:
    """What differs between the two services: bytes of inline media in one request and in one PDF, and whether it
    fetches https addresses itself."""

    media: int = 20 * 2**20
    pdf: int = 20 * 2**20
    links: bool = False


CODE_ASSIST = Service()
PUBLIC_API = Service(100 * 2**20, 50 * 2**20, links=True)

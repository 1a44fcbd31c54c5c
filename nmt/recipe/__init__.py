"""Recipes: read and write them as TOML, look settings up by name, change them, compare them.

A setting is named `section.key`, such as `model.d_model`. Precedence: a default, then the recipe
that a recipe extends, then the recipe itself, then overrides (`--set section.key=value`).
"""

from nmt.recipe.files import (
    DEFAULT_RECIPE,
    find_recipe,
    load_recipe,
    parse_recipe,
    read_recipe,
    read_text,
    recipe_name,
    shipped_recipes,
    write_recipe,
)
from nmt.recipe.removed import was_written
from nmt.recipe.rules import check_decode, check_recipe, check_together, check_used
from nmt.recipe.settings import (
    FIXED_SETTINGS,
    SettingDifference,
    get_setting,
    override,
    parse_overrides,
    recipe_differences,
    with_settings,
)
from nmt.recipe.tables import recipe_from_tables, suggestion
from nmt.recipe.toml import to_toml, toml_value

__all__ = [
    "DEFAULT_RECIPE",
    "FIXED_SETTINGS",
    "SettingDifference",
    "check_decode",
    "check_recipe",
    "check_together",
    "check_used",
    "find_recipe",
    "get_setting",
    "load_recipe",
    "override",
    "parse_overrides",
    "parse_recipe",
    "read_recipe",
    "read_text",
    "recipe_differences",
    "recipe_from_tables",
    "recipe_name",
    "shipped_recipes",
    "suggestion",
    "to_toml",
    "toml_value",
    "was_written",
    "with_settings",
    "write_recipe",
]

"""The official CEL vectors for our subset: each holds, save for the differences that we chose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Scope, parse

VECTORS: dict[str, dict[str, Any]] = {
    vector["name"]: vector
    for vector in json.loads(Path(__file__).with_name("cel_vectors.json").read_text(encoding="utf-8"))["vectors"]
}
BIG_UNSIGNED = "there is one kind of whole number, of 64 bits with a sign"
TEXT_KEYS = "the keys of JSON objects are text"
KNOWN_NAMES = "names are checked when a document is loaded, before any operand can make up for them"
DIFFERENCES: dict[str, tuple[str, ...]] = {
    KNOWN_NAMES: ("basic/variables/unbound_is_runtime_error", "basic/functions/unbound_is_runtime_error"),
    BIG_UNSIGNED: (
        "comparisons/lt_literal/lt_dyn_int_big_uint",
        "comparisons/lt_literal/not_lt_dyn_big_uint_int",
        "comparisons/lt_literal/not_lt_dyn_uint_small_double",
        "comparisons/lt_literal/lt_dyn_uint_big_double",
        "comparisons/lt_literal/not_lt_dyn_big_double_uint",
        "comparisons/gt_literal/not_gt_dyn_int_big_uint",
        "comparisons/gt_literal/gt_dyn_big_uint_int",
        "comparisons/gt_literal/not_gt_dyn_uint_big_double",
        "comparisons/gt_literal/gt_dyn_big_double_uint",
        "comparisons/lte_literal/lte_dyn_int_big_uint",
        "comparisons/lte_literal/not_lte_dyn_big_uint_int",
        "comparisons/lte_literal/not_lte_dyn_uint_small_double",
        "comparisons/lte_literal/lte_dyn_uint_big_double",
        "comparisons/lte_literal/not_lte_dyn_big_double_uint",
        "comparisons/gte_literal/not_gte_dyn_int_big_uint",
        "comparisons/gte_literal/gte_dyn_big_uint_int",
        "comparisons/gte_literal/not_gte_dyn_uint_big_double",
        "comparisons/gte_literal/gte_dyn_big_double_uint",
        "conversions/double/uint_range",
        "integer_math/int64_math/unary_minus_no_overload",
        "integer_math/int64_math/uint64_overflow_negative",
        "integer_math/uint64_math/negative_no_overload",
    ),
    TEXT_KEYS: (
        "comparisons/eq_literal/eq_map_mixed_type_numbers",
        "comparisons/eq_literal/eq_map_value_mixed_types",
        "comparisons/eq_literal/not_eq_map_value_null",
        "comparisons/ne_literal/not_ne_map_int_to_float",
        "comparisons/in_map_literal/key_in_mixed_key_type_map",
        "fields/map_fields/map_key_int64",
        "fields/map_fields/map_key_uint64",
        "fields/map_fields/map_key_bool",
        "fields/map_fields/map_key_mixed_type",
        "fields/map_fields/map_key_mixed_numbers_double_key",
        "fields/map_fields/map_key_mixed_numbers_uint_key",
        "fields/map_fields/map_key_mixed_numbers_int_key",
        "fields/map_fields/map_no_such_key_or_true",
        "fields/map_fields/map_no_such_key_and_false",
        "fields/map_fields/map_value_null",
        "fields/map_fields/map_value_bool",
        "fields/map_fields/map_value_float",
        "fields/map_fields/map_value_uint64",
        "fields/map_fields/map_value_int64",
        "fields/map_fields/map_value_list",
        "fields/in/singleton",
        "fields/in/mixed_numbers_and_keys_present",
        "fields/in/mixed_numbers_and_keys_absent",
        "lists/size/map",
        "macros/exists/map_key_type_shortcircuit",
        "macros/exists/map_key_type_exhaustive",
        "macros/exists_one/map_one",
        "parse/nest/map_literal",
        "parse/repeat/map_literal",
    ),
}
REASONS = {name: reason for reason, names in DIFFERENCES.items() for name in names}


def holds(vector: dict[str, Any]) -> bool:
    bindings = vector.get("bindings", {})
    try:
        got = parse(vector["expr"], Scope(roots=dict.fromkeys(bindings))).evaluate(bindings)
    except ExpressionError:
        return "error" in vector
    return "error" not in vector and is_alike(got, vector["value"])


def is_alike(got: Any, expected: Any) -> bool:
    """Compare values and types, all the way down."""
    if type(got) is not type(expected):
        return False
    if isinstance(got, list):
        return len(got) == len(expected) and all(map(is_alike, got, expected))
    if isinstance(got, dict):
        return got.keys() == expected.keys() and all(is_alike(got[key], expected[key]) for key in got)
    return bool(got == expected)


@pytest.mark.parametrize("name", [name for name in VECTORS if name not in REASONS])
def test_a_vector_holds(name: str) -> None:
    assert holds(VECTORS[name]), VECTORS[name]


@pytest.mark.parametrize("name", sorted(REASONS))
def test_a_known_difference_is_still_one(name: str) -> None:
    assert not holds(VECTORS[name]), f"no longer a difference: {REASONS[name]}"

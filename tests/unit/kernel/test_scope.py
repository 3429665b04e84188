"""Step keys: how names, items and visits become paths, and the way back."""

import pytest

from checkpointflow.kernel.scope import Scope, encoded_name, last_name, member_key


def test_the_first_visit_has_no_number_and_later_ones_do():
    scope = Scope()
    assert [scope.visit("s") for _ in range(3)] == ["s", "s#2", "s#3"]
    assert scope.visits("s") == 3
    assert scope.visits("other") == 0


def test_a_scope_stands_before_its_names():
    assert Scope("each[0]").visit("s") == "each[0]/s"
    assert Scope("a/b").visit("s") == "a/b/s"


def test_members_are_named_by_index_or_by_text():
    assert member_key("each", 0) == "each[0]"
    assert member_key("each", "0") == 'each["0"]'
    assert member_key("each#2", "e/u") == 'each#2["e%2Fu"]'


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("a#2", "a%232"),
        ("a[0]", "a%5B0%5D"),
        ("100%", "100%25"),
        ("deploy it", "deploy it"),
        ("ü", "ü"),
    ],
)
def test_characters_with_a_meaning_in_keys_are_percent_encoded(name, encoded):
    assert encoded_name(name) == encoded
    assert Scope().visit(name) == encoded
    assert last_name(encoded) == name


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="empty"):
        Scope().visit("")


def test_no_name_can_spell_a_word_of_the_engine():
    scope = Scope("s")
    assert [scope.reserved("now"), scope.reserved("now")] == ["s/%now", "s/%now#2"]
    assert scope.visit("%now") == "s/%25now"
    assert scope.visits("%now") == 1


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("s", "s"),
        ("s#12", "s"),
        ("a/b#2/s", "s"),
        ("each[0]", "each"),
        ("each[-1]", "each"),
        ("each#2[10]", "each"),
        ('fan["a"]', "fan"),
        ('fan["say \\"so\\""]', "fan"),
        ('fan["a%2Fb"]', "fan"),
        ('fan["a"]/s#3', "s"),
        ("100%25#2", "100%"),
        ("%now", "%now"),
    ],
)
def test_the_last_name_of_a_key_is_the_steps_own(key, name):
    assert last_name(key) == name

"""JSON that every reader takes, whatever numbers are in it."""

from __future__ import annotations

import json
import math

from rankgen.manifests.storage.finite_json import json_text


def test_what_json_has_no_number_for_is_null() -> None:
    value = {"a": (math.nan, [math.inf, {"b": -math.inf}]), "c": 0.1, "d": None, "é": True, "n": 2}
    text = json_text(value, ensure_ascii=True)
    assert (
        text == r'{"a": [null, [null, {"b": null}]], "c": 0.1, "d": null, "\u00e9": true, "n": 2}'
    )
    finite = {"a": [1.5, "é"], "b": {"c": []}}
    assert json_text(finite, indent=2) == json.dumps(finite, ensure_ascii=False, indent=2)

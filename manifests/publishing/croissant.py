"""croissant.json: metadata in Croissant 1.0 (mlcommons.org/croissant), for places that make none.

The Hub makes its own of every data set, so it is written into folders and stores only. The date of
publication, which Croissant recommends, is left out: equal runs are published as equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from rankgen.manifests.column_meanings import COLUMN_MEANINGS
from rankgen.manifests.publishing.card_tables import PAPER
from rankgen.manifests.publishing.layout import schema_of
from rankgen.manifests.publishing.licence import Licence
from rankgen.manifests.publishing.statement import Written

_PARQUET = "application/x-parquet"
# The context that the specification prints; a reader warns of any other.
_TERMS = (
    "citeAs column conformsTo data dataType examples extract field fileProperty fileObject fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex "
    "repeated replace samplingRate separator source subField transform equivalentProperty"
)
_SPECIAL: Mapping[str, object] = {
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    **{name: _SPECIAL.get(name, f"cr:{name}") for name in _TERMS.split()},
}


def croissant_text(
    name: str, configs: Sequence[str], licence: Licence | None, written: Mapping[str, Written]
) -> str:
    """Returns croissant.json.

    Args:
        name: The name of the data set.
        configs: Its configurations.
        licence: Its licence, if one was stated.
        written: Its files by path.
    """
    described = {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": "Rankings to train re-rankers on; README.md tells how they were made.",
        "license": licence.notice if licence else "not stated",
        "url": "README.md",
        "version": "1.0.0",
        "citeAs": PAPER,
        "distribution": [
            *(_file_object(path, file) for path, file in sorted(written.items())),
            *(_file_set(config) for config in configs),
        ],
        "recordSet": [_record_set(config) for config in configs],
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _file_object(path: str, file: Written) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _PARQUET,
        "sha256": file.sha256,
    }


def _file_set(config: str) -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "encodingFormat": _PARQUET,
        "includes": f"{config}/train-*.parquet",
    }


def _record_set(config: str) -> dict[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "field": [_field(config, column) for column in schema_of(config)],
    }


def _field(config: str, column: pa.Field) -> dict[str, object]:
    is_list = pa.types.is_list(column.type)
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{column.name}",
        "name": column.name,
        "description": COLUMN_MEANINGS[config][column.name],
        "dataType": _data_type(column.type.value_type if is_list else column.type),
        **({"repeated": True} if is_list else {}),
        "source": {
            "fileSet": {"@id": f"{config}-files"},
            "extract": {"column": column.name},
        },
    }


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"

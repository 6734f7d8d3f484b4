"""Files that are whole or absent: `atomic` on a disk, `object_store` on S3.

`shard` writes Parquet under the schemas and `shard_columns` reads shards of earlier versions;
`digest` and `column_digest` name content, `segments` grow a log in a store, `string_pairs` sort
more than memory holds, `storage_faults` words what a disk refuses, `run_path` is a folder or an
address.
"""

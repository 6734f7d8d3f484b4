"""Files that are whole or absent: `atomic` on a disk, `object_store` on S3.

`shard` writes Parquet files under the schemas and reads those of earlier versions; `digest` and
`column_digest` identify content, `finite_json` writes JSON without NaN, `segments` writes a growing
log in a store, `string_pairs` sorts more than memory holds, `storage_faults` explains disk errors,
and `run_path` is the type of a setting that names a folder or an `s3://` address.
"""

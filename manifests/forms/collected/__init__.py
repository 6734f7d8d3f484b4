"""What a source holds, collected on disk, whatever its size and order.

`collecting` reads a source into `found_lists` and `found_texts`. `buckets` spreads scored rows by
query and `gathering` makes lists of them; `shared_tables` packs lists into tables.
"""

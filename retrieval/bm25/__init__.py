"""BM25 by Anserini.

`index` builds a Lucene index, `stored_index` finds an existing one, `searcher` searches it,
`index_documents` reads its documents back, and `java` starts the virtual machine.
"""

"""BM25 by Anserini.

`index` builds a Lucene index, `stored_index` finds an existing one, `searcher` asks it,
`index_documents` reads its documents back, `java` brings up the virtual machine.
"""

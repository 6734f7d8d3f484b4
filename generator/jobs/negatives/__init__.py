"""`rankgen negatives`: candidates and judgements in, lists for the LCE loss out."""

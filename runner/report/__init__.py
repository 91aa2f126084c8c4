"""Reports: what came out of one run or several, in groups, as tables for people and for papers.

Apart from `runner.past.table`, which only reads rows: here they are judged, grouped and written.
"""

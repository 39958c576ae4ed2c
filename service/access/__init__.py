"""Who may call what, and how much: keys, limits, wrong keys, the audit."""

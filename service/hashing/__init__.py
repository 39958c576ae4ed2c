"""From content to code: featurizer, encoder network, thresholds, packed bits. No SQL, no web."""

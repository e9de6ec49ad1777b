"""Whatever bytes a client sends: mutated inputs for the wire decoder and for whole connections."""

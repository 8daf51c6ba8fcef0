"""Trees as functions: specs in, child specs out."""

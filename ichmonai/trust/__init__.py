"""What a bundle that somebody else made would import and run, found without doing so.

A bundle's config is code: strings that begin with `$` are evaluated, `_target_` names what is called.
"""

"""The function that `secrets.yaml` calls: plain Python, which knows nothing of workflows."""

import hashlib
import hmac


def sign(text: str, key: str) -> dict[str, str]:
    """Return the signature of a text under a key."""
    print(f"signing {len(text)} characters with {key}")  # what is printed is kept, the key in it as ***
    return {"signature": hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:16]}

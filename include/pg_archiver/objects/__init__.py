"""What lies in the bucket: keys, manifests, data and sidecars."""

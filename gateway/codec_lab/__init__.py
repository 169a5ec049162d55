"""The codec's workshop: recordings, training, baselines, measurements. The gateway never imports it."""

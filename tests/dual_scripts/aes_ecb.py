"""AES-ECB of whichever Python runs, for dual scripts: `ecb(key)` encrypts, `inverse(key)` decrypts."""

try:
    import cryptolib

    def ecb(key):
        return cryptolib.aes(key, 1)

    def inverse(key):
        return cryptolib.aes(key, 1)

except ImportError:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    class _Ecb:
        def __init__(self, key):
            cipher = Cipher(algorithms.AES(key), modes.ECB())
            self.encrypt = cipher.encryptor().update
            self.decrypt = cipher.decryptor().update

    ecb = inverse = _Ecb

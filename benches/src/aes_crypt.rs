//! What sealing and opening one field costs when each is treated as a file of AES Crypt, format version 2: a key derived by
//! 8,192 rounds of SHA-256 over the password in UTF-16, a random session key under it by AES-256-CBC, the text under that,
//! and an HMAC-SHA-256 over each. Only the cost is of interest; nothing here is ever stored.

use std::hint::black_box;

use aes::Aes256;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const PASSWORD: &str = "a field password of some length";
const ROUNDS: usize = 8192;

fn derived(iv: &[u8; 16]) -> [u8; 32] {
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut key = [0; 32];
    key[..16].copy_from_slice(iv);
    for _ in 0..ROUNDS {
        key = Sha256::new().chain_update(key).chain_update(&password).finalize().into();
    }
    key
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(bytes).finalize().into_bytes().into()
}

fn encrypt(key: &[u8; 32], iv: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(bytes)
}

fn decrypt(key: &[u8; 32], iv: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
    cbc::Decryptor::<Aes256>::new(key.into(), iv.into()).decrypt_padded_vec::<Pkcs7>(bytes).expect("decrypts")
}

/// Seals and opens once.
pub fn turn(plain: &[u8]) {
    let (iv, inner_iv, session) = ([1; 16], [2; 16], [3; 32]);
    let key = derived(&iv);
    let kept = encrypt(&key, &iv, &[&inner_iv[..], &session].concat());
    let (kept_mac, text) = (mac(&key, &kept), encrypt(&session, &inner_iv, plain));
    let text_mac = mac(&session, &text);
    let (kept, text) = black_box((kept, text));
    let key = derived(&iv);
    assert_eq!(mac(&key, &kept), kept_mac);
    let opened = decrypt(&key, &iv, &kept);
    let session: [u8; 32] = opened[16..48].try_into().expect("32 bytes");
    assert_eq!(mac(&session, &text), text_mac);
    assert_eq!(decrypt(&session, &inner_iv, &text), plain);
}

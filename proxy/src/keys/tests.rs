use super::{KeyError, Keys, new_key};
use crate::{audit::Scratch, upstream::Credentials};

fn bearer(key: &str) -> Credentials {
    Credentials { authorization: Some(format!("Bearer {key}").parse().unwrap()), api_key: None }
}

#[tokio::test]
async fn a_key_says_who_sends_it_and_goes_no_further() {
    let directory = Scratch::new();
    let file = directory.join("keys.yaml");
    let (key, entry) = new_key("acme", &["staff".to_owned()], None).unwrap();
    std::fs::write(&file, format!("keys:\n{entry}")).unwrap();
    assert!(!entry.contains(key.rsplit('_').next().unwrap()), "the file holds no secret");
    let keys = Keys::open(&file).unwrap();

    let mut credentials = Credentials { api_key: Some("for-the-upstream".parse().unwrap()), ..bearer(&key) };
    let caller = keys.caller(&mut credentials).await.unwrap();
    assert_eq!((caller.tenant.as_str(), caller.groups), ("acme", vec!["staff".to_owned()]));
    assert_eq!((credentials.authorization, credentials.api_key.is_some()), (None, true));
    let again = Credentials { authorization: None, api_key: Some(key.parse().unwrap()) };
    assert_eq!(keys.caller(&mut again.clone()).await.unwrap().tenant, "acme", "in the other header, from memory");

    let name = key.split('_').nth(1).unwrap();
    for wrong in [format!("rf_{name}_{}", "0".repeat(64)), format!("{key}x"), "rf_nobody_x".into(), "rf_".into()] {
        assert_eq!(keys.caller(&mut bearer(&wrong)).await, Err(KeyError::Unknown), "{wrong}");
    }
    assert_eq!(keys.caller(&mut Credentials::default()).await, Err(KeyError::Missing));
    assert_eq!(keys.caller(&mut bearer("sk-other")).await, Err(KeyError::Missing));
}

#[tokio::test]
async fn keys_are_rotated_while_the_program_runs() {
    let directory = Scratch::new();
    let file = directory.join("keys.yaml");
    let (old, entry) = new_key("acme", &[], None).unwrap();
    std::fs::write(&file, format!("keys:\n{entry}")).unwrap();
    let keys = Keys::open(&file).unwrap();
    assert!(keys.caller(&mut bearer(&old)).await.is_ok());

    std::fs::write(&file, "keys: [{key: a}]\n").unwrap();
    keys.look();
    assert!(keys.caller(&mut bearer(&old)).await.is_ok(), "a file that cannot be read changes nothing");

    let (new, entry) = new_key("acme", &[], policies::Day::parse("2999-12-31")).unwrap();
    let (over, past) = new_key("acme", &[], policies::Day::parse("2020-01-01")).unwrap();
    std::fs::write(&file, format!("keys:\n{entry}{past}")).unwrap();
    keys.look();
    assert_eq!(keys.caller(&mut bearer(&old)).await, Err(KeyError::Unknown), "also one that was proven before");
    assert!(keys.caller(&mut bearer(&new)).await.is_ok());
    assert_eq!(keys.caller(&mut bearer(&over)).await, Err(KeyError::Unknown), "its last day is past");
}

#[test]
fn a_file_that_is_none_is_told() {
    let read = |text: &str| super::Ring::read("k.yaml", text).err().unwrap().to_string();
    assert!(read("keys: [{key: a}]\n").starts_with("k.yaml:1:"));
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    let entry = |key: &str, hash: &str| format!("- {{key: {key}, hash: '{hash}', tenant: t}}\n");
    assert!(read(&format!("keys:\n{}{}", entry("a", hash), entry("a", hash))).contains("`a` is there twice"));
    assert!(read(&format!("keys:\n{}", entry("a", "plain"))).contains("has no argon2id hash"));
    assert!(read(&format!("keys:\n{}", entry("a_b", hash))).contains("is no key's name"));
}

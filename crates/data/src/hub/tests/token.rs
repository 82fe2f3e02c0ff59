//! Who is shown the user's token.

use super::*;

/// Fetches from a hub that sends some requests to another host (or another port), and looks who
/// was shown the token. Returns what the other one was asked.
fn requests_elsewhere(moved: fn(&SiteRequest) -> bool, as_other_host: bool) -> Vec<SiteRequest> {
    let folder = tempfile::tempdir().unwrap();
    let stored = StoredFile::large(250_000);
    let (theirs, ours) = (stored.clone(), stored.clone());
    let other = Site::open(move |request| theirs.answer(request).cut(100_000));
    let there = if as_other_host {
        other.other_url()
    } else {
        other.url()
    };
    let home = Site::open(move |request| match moved(request) {
        true => SiteReply::redirect(format!("{there}{}", request.path)),
        false => ours.answer(request).cut(100_000),
    });
    let path = fetch(&hub(folder.path(), &home.url()), "a/b").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), stored.bytes);
    assert!(home.requests().iter().all(|request| request.has_token));
    other.requests()
}

#[test]
fn the_token_is_shown_to_the_hub_alone_wherever_it_redirects() {
    let asked = |requests: &[SiteRequest]| {
        assert!(
            !requests.iter().any(|request| request.has_token),
            "{requests:?}"
        );
        requests.len()
    };
    for as_other_host in [true, false] {
        let list = requests_elsewhere(SiteRequest::is_list, as_other_host);
        assert_eq!(asked(&list), 1);
        let identity = requests_elsewhere(SiteRequest::is_identity, as_other_host);
        assert_eq!(asked(&identity), 1);
        // The body, and each time that it is resumed.
        let body = requests_elsewhere(SiteRequest::is_body, as_other_host);
        assert_eq!(asked(&body), 3);
        let everything = requests_elsewhere(|_| true, as_other_host);
        assert_eq!(asked(&everything), 5);
    }
}

#[test]
fn a_hub_that_redirects_without_an_end_is_left() {
    let folder = tempfile::tempdir().unwrap();
    // Between two hosts, and on the spot.
    let other = Arc::new(Mutex::new(String::new()));
    let back = other.clone();
    let home = Site::open(move |request| {
        SiteReply::redirect(format!("{}{}", back.lock().unwrap(), request.path))
    });
    let url = home.url();
    let away = Site::open(move |request| SiteReply::redirect(format!("{url}{}", request.path)));
    for place in [String::new(), away.other_url()] {
        *other.lock().unwrap() = place;
        for id in ["a/b", "a/b:m.gguf"] {
            let before = home.requests().len() + away.requests().len();
            let sentence = refusal(&hub(folder.path(), &home.url()), id);
            assert!(
                sentence.contains("redirects more than 10 times"),
                "{sentence}"
            );
            assert_eq!(home.requests().len() + away.requests().len() - before, 11);
        }
    }
    assert!(!away.requests().iter().any(|request| request.has_token));
    assert_eq!(away.requests().len(), 10);
    // Once away, it stays unknown who asks.
    let known = home.requests().iter().filter(|r| r.has_token).count();
    assert_eq!(known, 22 + 2);
}

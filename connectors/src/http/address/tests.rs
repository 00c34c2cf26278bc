use super::*;

fn verdict(guard: &Guard, url: &str) -> Result<(), Refusal> {
    let url = Url::parse(url).map_err(|_| Refusal::NoHost)?;
    guard.check_url(&url)
}

/// Every spelling of an address that must not be reached. Hosts that are names are refused by the resolver instead.
const REFUSED: [&str; 61] = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://user:pass@127.0.0.1/",
    "http://public.test@127.0.0.1/",
    "http://127.0.0.1#@public.test/",
    "http://127.0.0.1\\@public.test/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://%31%32%37.0.0.1/",
    "http:127.0.0.1/",
    "http:////127.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://167772161/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://172.16.0.1/",
    "http://172.31.255.254/",
    "http://192.0.0.192/",
    "http://192.0.2.7/",
    "http://192.88.99.1/",
    "http://192.168.0.1/",
    "http://192.168.1/",
    "http://198.18.0.1/",
    "http://198.19.255.254/",
    "http://198.51.100.4/",
    "http://203.0.113.9/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2001:db8::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
];

#[test]
fn no_spelling_of_a_private_address_passes() {
    let guard = Guard::default();
    for url in REFUSED {
        let refusal = verdict(&guard, url).expect_err(url);
        assert!(matches!(refusal, Refusal::Private(_)), "{url}: {refusal:?}");
    }
}

#[test]
fn other_schemes_and_ports_are_refused() {
    let guard = Guard::default();
    for url in ["file:///etc/passwd", "ftp://8.8.8.8/", "gopher://8.8.8.8/", "data:text/html,x", "javascript:alert(1)"]
    {
        assert!(matches!(verdict(&guard, url), Err(Refusal::Scheme(_))), "{url}");
    }
    for url in ["http://8.8.8.8:22/", "http://8.8.8.8:6379/", "https://[2606:4700::1111]:25/"] {
        assert!(matches!(verdict(&guard, url), Err(Refusal::Port(_))), "{url}");
    }
}

#[test]
fn public_addresses_pass() {
    let guard = Guard::new(Vec::new(), vec![9000], BTreeMap::new());
    for url in [
        "http://8.8.8.8/",
        "https://1.1.1.1:8443/x",
        "http://172.32.0.1/",
        "http://100.128.0.1/",
        "http://8.8.8.8:9000/",
        "https://[2606:4700:4700::1111]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[2002:808:808::1]/",
    ] {
        assert_eq!(verdict(&guard, url), Ok(()), "{url}");
    }
}

#[test]
fn only_the_opened_private_network_and_ports_pass() {
    let open =
        vec!["127.0.0.1:8800-8899".parse().unwrap(), "10.1.0.0/16".parse().unwrap(), "[::1]:9000".parse().unwrap()];
    let guard = Guard::new(open, Vec::new(), BTreeMap::new());
    for url in ["http://127.0.0.1:8800/", "http://2130706433:8899/", "http://10.1.200.3:22/", "http://[::1]:9000/"] {
        assert_eq!(verdict(&guard, url), Ok(()), "{url}");
    }
    for url in ["http://127.0.0.1:8799/", "http://127.0.0.2:8800/", "http://10.2.0.1/", "http://[::1]:9001/"] {
        assert!(matches!(verdict(&guard, url), Err(Refusal::Private(_))), "{url}");
    }
}

#[test]
fn a_pinned_name_keeps_its_port() {
    let hosts = BTreeMap::from([("careers.sandbox.test".to_owned(), "127.0.0.1:4711".parse().unwrap())]);
    let guard = Guard::new(Vec::new(), Vec::new(), hosts);
    assert_eq!(verdict(&guard, "http://careers.sandbox.test/jobs"), Ok(()));
    assert_eq!(verdict(&guard, "http://careers.sandbox.test:4711/jobs"), Ok(()));
    assert_eq!(verdict(&guard, "http://careers.sandbox.test:22/"), Err(Refusal::Port(22)));
    assert_eq!(verdict(&guard, "http://Careers.Sandbox.test.:22/"), Err(Refusal::Port(22)));
}

use super::*;

fn ms(text: &str) -> Option<u64> {
    text.parse::<Period>().ok().map(Period::ms)
}

#[test]
fn durations() {
    assert_eq!(ms("90s"), Some(90_000));
    assert_eq!(ms("500ms"), Some(500));
    assert_eq!(ms("1h30m"), Some(5_400_000));
    assert_eq!(ms("1.5h"), Some(5_400_000));
    assert_eq!(ms("2w"), Some(14 * 86_400_000));
    for wrong in ["", "5", "5 m", "30m1h", "1m1m", "-1s", "1.s", "5y", "s", "99999999999999999999d", "0.0000001s"] {
        assert_eq!(ms(wrong), None, "{wrong}");
    }
}

#[test]
fn durations_print_in_the_longest_unit_and_read_back() {
    for (written, printed) in
        [("90s", "90s"), ("60s", "1m"), ("36h", "36h"), ("48h", "2d"), ("1500ms", "1500ms"), ("0s", "0s")]
    {
        let period: Period = written.parse().unwrap();
        assert_eq!(period.to_string(), printed);
        assert_eq!(printed.parse::<Period>().unwrap(), period);
    }
}

#[test]
fn rates() {
    assert_eq!("5/s".parse(), Ok(Speed::per(5, 1_000)));
    assert_eq!("100/min".parse(), Ok(Speed::per(100, 60_000)));
    assert_eq!("1/90s".parse(), Ok(Speed::per(1, 90_000)));
    assert_eq!("unlimited".parse(), Ok(Speed::Unlimited));
    for wrong in ["", "5", "0/s", "5/", "5/fortnight", "/s", "1/0s", "5000000000/s"] {
        assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
    }
    for text in ["5/s", "25/day", "unlimited", "1/90s", "3/h"] {
        assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
    }
}

#[test]
fn amounts() {
    assert_eq!(parse_count("20_000"), Ok(20_000));
    for wrong in ["", "_1", "1_", "-1", "1.5", "1e3", "99999999999999999999999"] {
        assert!(parse_count(wrong).is_err(), "{wrong}");
    }
    assert_eq!("30%".parse::<Share>().unwrap().fraction(), 0.3);
    assert_eq!("12.5%".parse::<Share>().unwrap().to_string(), "12.5%");
    assert_eq!("10MiB".parse::<Size>().unwrap().bytes(), 10 << 20);
    assert_eq!("10MB".parse::<Size>().unwrap().to_string(), "10MB");
    for wrong in ["30", "130%", "%", ".5%", "3 0%"] {
        assert!(wrong.parse::<Share>().is_err(), "{wrong}");
    }
    for wrong in ["MiB", "1XB", "", "1.5MiB", "99999999999GiB"] {
        assert!(wrong.parse::<Size>().is_err(), "{wrong}");
    }
}

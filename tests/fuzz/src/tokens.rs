//! Words and signs of each grammar, put in at random.

#[rustfmt::skip]
pub const YAML: &[&str] = &[
    "&a ", "*a", "<<: ", "!!str ", "%YAML 1.1\n", "---\n", "...\n", "? ", "| ", "> ", "|\n  x\n", "# ", " #x", "~",
    "null", "\t", "{", "}", "[", "]", ",", ": ", "- ", "\"", "'", "\\", "@", "`", "$now", "$page.lang", "$NAME",
    "${.a}", "${", "${file:x}", "=", ".a | trim", "name: x\n", "crawl:\n", "stages:\n", "from: a\n", "export:\n",
    "\n", "\n  ", "30%", "5/s", "1h", "10MiB",
];
#[rustfmt::skip]
pub const JQ: &[&str] = &[
    "|", ",", ".", "..", ".[]", "[.[]]", "?", "//", "reduce", "foreach", "as $x", "def f: ", "; ", "if ", " then ",
    " else ", " end", "try ", " catch ", "label $a | ", "break $a", "limit(5; ", "first(", "range(1e9)",
    "repeat(.)", "recurse", "until(false; .)", "test(\"(a|b)*c\")", "gsub(\"a.*b|a\"; \"x\")", "splits(\"\")",
    "tojson", "fromjson", "to_date", "strftime(\"%Y\")", "implode", "explode", "@base64d", "@html", "html_to_text",
    "truncate(3)", "number", "sort_by(", "group_by(", "paths", "del(", "$now", "$page", "$ENV", "env", "input", "=",
    "|=", "+=", "//=", "*", "%", "-", "/", "and", "or", "not", "\"\\(", ")\"", "\"", "{", "}", "$TOKEN", "${.a}",
    "${", "$$", "https://", "\r\n", "../",
];
#[rustfmt::skip]
pub const CSS: &[&str] = &[
    ">", "+", "~", "*", "#", ".", ":", "::", "[", "]", "(", ")", ",", "|", "\\", "\"", "=", "^=", "*=", "i]",
    ":not(", ":is(", ":has(", ":nth-child(2n+1)", ":nth-child(", ":first-child", "::text", "::attr(x)", " @href",
    " | trim", "li", "a", "\\110000",
];
#[rustfmt::skip]
pub const HTML: &[&str] = &[
    "<", ">", "</", "<!--", "-->", "<![CDATA[", "]]>", "<!doctype html>", "<script>", "</script>", "<style>",
    "<table>", "<tr>", "<td>", "<select>", "<template>", "<svg>", "<math>", "<frameset>", "<base href=\"//x\">",
    "<meta charset=utf-16>", "&amp;", "&#", "&", "=", "\"", "'", "<a href=\"", "<li class=job>", "<plaintext>",
    "<br>", "<p>", "</p>", "<b>", "</b>", "<i>",
];
#[rustfmt::skip]
pub const JSON: &[&str] = &[
    "{", "}", "[", "]", ":", ",", "\"", "\\", "null", "true", "false", "-", "e", ".", "\"id\":", "\"next\":",
    "\"http://x.test/2\"", "\"file:///etc/passwd\"", "\"\\u0000\"", "\"\\ud800\"", "// x", "NaN", "\u{feff}",
    "<html>", "\"updated_at\":", "\"2026-01-01\"",
];
#[rustfmt::skip]
pub const ROBOTS: &[&str] = &[
    "User-agent: *\n", "User-agent: acme\n", "Disallow: /\n", "Allow: /x\n", "Crawl-delay: 1e99\n",
    "Crawl-delay: -1\n", "Sitemap: x\n", "*", "$", "?", "%41", "#", ":", "\r", "<html>",
];
#[rustfmt::skip]
pub const LINKS: &[&str] = &[
    "http://", "https://", "//", "/", "\\", "?", "#", "@", ":", "..", "%2f", "%00", "javascript:", "data:",
    "file:///", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", ".", ":80", ":99999", "token=x", "xn--",
    "\t", "\n", " ",
];
#[rustfmt::skip]
pub const TIMES: &[&str] = &[
    "every ", "daily ", "weekly ", "hourly", "weekdays ", "Europe/Paris", "UTC", ":", "-", "/", "*", ",", "%", "T",
    "Z", "+02:00", "ms", "s", "m", "h", "d", "MiB", "GB", "unlimited", "/s", "/min", "/day", "[Europe/Paris]",
    "[u-ca=hebrew]", "%Y", "%s", "AM",
];

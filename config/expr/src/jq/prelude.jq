# What the import language adds to jaq's own definitions.
def toarray: if type == "array" then . else [.] end;
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i)[0];
def rindex($i): indices($i)[-1];
def transpose: [range([.[] | length] | max // 0) as $i | [.[][$i]]];
def isfinite: type == "number" and (isinfinite | not);
def @json: tojson;
def @text: tostring;
def @html: tostring | escape_html;
def @uri: tostring | encode_uri;
def @base64: tostring | encode_base64;
def @base64d: tostring | decode_base64;

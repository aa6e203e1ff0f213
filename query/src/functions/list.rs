//! Which functions a query may use, and how each is bounded.
//!
//! A list of what is allowed, not of what is refused: a newer DataFusion brings functions that nobody here
//! has thought about, and a test says so.

use super::growth::Growth;

/// Functions whose results are no larger than what goes in, by a small factor at most.
pub(super) const PLAIN: &[&str] = &[
    // choosing and structures
    "arrow_typeof", "coalesce", "get_field", "greatest", "least", "named_struct", "nullif", "nvl", "nvl2",
    "struct", "union_extract", "union_tag",
    // time
    "current_date", "current_time", "date_bin", "date_part", "date_trunc", "from_unixtime", "make_date",
    "make_time", "now", "to_date", "to_local_time", "to_time", "to_timestamp", "to_timestamp_micros",
    "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime",
    // numbers
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh", "cot",
    "degrees", "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln", "log", "log10", "log2",
    "nanvl", "pi", "power", "radians", "random", "round", "signum", "sin", "sinh", "sqrt", "tan", "tanh",
    "to_hex", "trunc",
    // text
    "ascii", "bit_length", "btrim", "character_length", "chr", "contains", "decode", "ends_with",
    "find_in_set", "initcap", "left", "lower", "ltrim", "octet_length", "reverse", "right", "rtrim",
    "split_part", "starts_with", "strpos", "substr", "substr_index", "translate", "upper", "uuid",
    // lists
    "array_any_value", "array_avg", "array_compact", "array_dims", "array_distinct", "array_element",
    "array_except", "array_has", "array_has_all", "array_has_any", "array_intersect", "array_length",
    "array_max", "array_min", "array_ndims", "array_pop_back", "array_pop_front", "array_position",
    "array_positions", "array_remove", "array_remove_all", "array_remove_n", "array_reverse", "array_slice",
    "array_sort", "array_sum", "cardinality", "empty", "flatten", "string_to_array",
    // JSON
    "json_as_text", "json_contains", "json_from_scalar", "json_get", "json_get_array", "json_get_bool",
    "json_get_float", "json_get_int", "json_get_json", "json_get_str", "json_length", "json_object_keys",
    "json_union_to_text",
];

/// Functions that can make much of little, or take long, with how that is bounded and how many rows are
/// worked on before the query may be stopped.
pub(super) const METERED: &[(&str, Growth, usize)] = &[
    ("array_append", Growth::Sum, 8_192),
    ("array_concat", Growth::Sum, 8_192),
    ("array_prepend", Growth::Sum, 8_192),
    ("array_repeat", Growth::Times, 8_192),
    ("array_to_string", Growth::Join, 8_192),
    ("array_union", Growth::Sum, 8_192),
    ("concat", Growth::Sum, 8_192),
    ("concat_ws", Growth::Separated, 8_192),
    ("encode", Growth::Twice, 8_192),
    ("levenshtein", Growth::Product, 64),
    ("lpad", Growth::Pad, 8_192),
    ("make_array", Growth::Sum, 8_192),
    ("overlay", Growth::Sum, 8_192),
    ("regexp_count", Growth::None, 512),
    ("regexp_instr", Growth::None, 512),
    ("regexp_like", Growth::None, 512),
    ("regexp_match", Growth::Captures, 512),
    ("regexp_replace", Growth::Substituted, 512),
    ("repeat", Growth::Times, 8_192),
    ("replace", Growth::Replaced, 8_192),
    ("rpad", Growth::Pad, 8_192),
    ("to_char", Growth::Formatted, 8_192),
];

/// Functions that no query may use, with what to do instead.
pub(super) const REFUSED: &[(&str, &str)] = &[
    // They show or use what lies behind the tables.
    ("arrow_field", "use `arrow_typeof`"),
    ("arrow_metadata", "use `DESCRIBE`"),
    ("file_row_index", "use `log_offset`"),
    ("input_file_name", "use `log_offset`"),
    ("version", "ask `/api/v1/health`"),
    ("with_metadata", "leave it out"),
    // They make values of any size out of nothing.
    ("array_resize", "use `array_slice`"),
    ("arrow_cast", "use `CAST`"),
    ("arrow_try_cast", "use `TRY_CAST`"),
    ("cast_to_type", "use `CAST`"),
    ("generate_series", "write the values with `VALUES`"),
    ("range", "write the values with `VALUES`"),
    ("try_cast_to_type", "use `TRY_CAST`"),
    // Nothing in our tables needs them.
    ("array_add", "unnest the list"),
    ("array_distance", "unnest the list"),
    ("array_normalize", "unnest the list"),
    ("array_product", "unnest the list"),
    ("array_replace", "unnest the list"),
    ("array_replace_all", "unnest the list"),
    ("array_replace_n", "unnest the list"),
    ("array_scale", "unnest the list"),
    ("array_subtract", "unnest the list"),
    ("arrays_zip", "unnest the lists"),
    ("cosine_distance", "unnest the list"),
    ("inner_product", "unnest the list"),
    ("map", "use `named_struct`"),
    ("map_entries", "use `named_struct`"),
    ("map_extract", "use `named_struct`"),
    ("map_keys", "use `named_struct`"),
    ("map_values", "use `named_struct`"),
];

/// Aggregates that no query may use: their memory is not counted.
pub(super) const REFUSED_AGGREGATES: &[&str] = &["approx_percentile_cont_with_weight"];

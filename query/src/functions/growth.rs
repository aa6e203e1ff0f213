//! How large a function's result may become, told from its arguments before it runs.
//!
//! A function allocates before DataFusion counts, and a failed allocation ends the process; so what can
//! make much of little is measured first.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

use crate::Error;
use crate::config::{MAX_CELL_BYTES, MAX_FUNCTION_BYTES};

/// The longest text that `levenshtein` compares, in bytes: its work is the product of both.
const MAX_COMPARED_BYTES: usize = 4 << 10;
/// What one `%` of a time format can become, at most.
const FORMATTED: usize = 32;

/// How the size of a result follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// It does not grow.
    None,
    /// The work is the product of both arguments; the result is a number.
    Product,
    /// All arguments, one after the other.
    Sum,
    /// The same, with the first between the others.
    Separated,
    /// The first, as often as the second says.
    Times,
    /// As many characters as the second says.
    Pad,
    /// Twice the first.
    Twice,
    /// The first, the second in it replaced by the third.
    Replaced,
    /// The first, the matches of the second replaced by the third.
    Substituted,
    /// The first, once for each group in the second.
    Captures,
    /// The list that is the first, with the second between its elements.
    Join,
    /// The format that is the second, filled in.
    Formatted,
}

/// Refuses a call whose result might pass a limit.
pub(super) fn check(name: &str, growth: Growth, arguments: &[ColumnarValue]) -> DfResult<Result<(), Error>> {
    if growth == Growth::None {
        return Ok(Ok(()));
    }
    let sizes: Vec<Sizes> = arguments.iter().map(Sizes::of).collect();
    let rows = sizes.iter().map(Sizes::rows).max().unwrap_or(1);
    let at = |argument: usize, row: usize| sizes.get(argument).map_or(0, |sizes| sizes.at(row));
    if growth == Growth::Product {
        let long = (0..rows).any(|row| at(0, row).max(at(1, row)) > MAX_COMPARED_BYTES);
        return Ok(if long { Err(too_long(name, MAX_COMPARED_BYTES)) } else { Ok(()) });
    }
    let counts = match growth {
        Growth::Times | Growth::Pad => arguments.get(1).map(Numbers::of).transpose()?,
        _ => None,
    };
    let shape = Shape::of(growth, arguments);
    let mut total: usize = 0;
    let mut taken: usize = 0;
    for row in 0..rows {
        let all = || (0..sizes.len()).map(|argument| at(argument, row)).fold(0, usize::saturating_add);
        let count = counts.as_ref().map_or(0, |counts| counts.at(row));
        let bytes = match growth {
            Growth::None | Growth::Product => 0,
            Growth::Sum => all(),
            Growth::Separated => all().saturating_add(at(0, row).saturating_mul(sizes.len())),
            Growth::Times => at(0, row).max(1).saturating_mul(count),
            Growth::Pad => count.saturating_mul(4),
            Growth::Twice => at(0, row).saturating_mul(2),
            Growth::Replaced => replaced(arguments, row, at(0, row), at(1, row), at(2, row)),
            Growth::Substituted => substituted(&shape, at(0, row), at(2, row)),
            Growth::Captures => at(0, row).saturating_mul(shape.groups.max(1)),
            // The fewest bytes that an element takes in a list are those of its offset.
            Growth::Join => at(0, row).saturating_add((at(0, row) / 4).saturating_mul(at(1, row))),
            Growth::Formatted => at(1, row).saturating_mul(FORMATTED),
        };
        if bytes > MAX_CELL_BYTES.max(at(0, row)) {
            return Ok(Err(too_long(name, MAX_CELL_BYTES)));
        }
        total = total.saturating_add(bytes);
        taken = taken.saturating_add(at(0, row));
    }
    if total > MAX_FUNCTION_BYTES.max(taken) {
        return Ok(Err(too_long(name, MAX_FUNCTION_BYTES)));
    }
    Ok(Ok(()))
}

fn too_long(name: &str, limit: usize) -> Error {
    let limit = match limit >> 20 {
        0 => format!("{} KiB", limit >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    };
    Error::MemoryLimit {
        what: format!("`{name}` would make or compare values of more than {limit}"),
        mend: "shorten its arguments, for example with `left`",
    }
}

/// The bound is exact only where the cheap one would refuse.
fn replaced(arguments: &[ColumnarValue], row: usize, text: usize, from: usize, to: usize) -> usize {
    let cheap = text.saturating_add((text / from.max(1)).saturating_add(1).saturating_mul(to));
    if cheap <= MAX_CELL_BYTES || from == 0 {
        return cheap;
    }
    let (Some(text_at), Some(from_at)) = (text_of(arguments.first(), row), text_of(arguments.get(1), row))
    else {
        return cheap;
    };
    text.saturating_add(text_at.matches(from_at.as_str()).count().saturating_mul(to))
}

/// What `regexp_replace` makes: each match is replaced by the text and by what its references quote, and
/// matches do not overlap.
fn substituted(shape: &Shape, text: usize, to: usize) -> usize {
    let matches = if shape.global { text.saturating_add(1) } else { 1 };
    text.saturating_add(matches.saturating_mul(to)).saturating_add(text.saturating_mul(shape.references))
}

/// What the constant arguments of a regular expression say.
struct Shape {
    /// Whether all matches are replaced.
    global: bool,
    /// How often the replacement may quote a group.
    references: usize,
    /// How many groups the pattern has, at most.
    groups: usize,
}

impl Shape {
    fn of(growth: Growth, arguments: &[ColumnarValue]) -> Self {
        let constant = |argument: usize| match arguments.get(argument) {
            Some(ColumnarValue::Scalar(value)) => value.try_as_str().flatten(),
            _ => None,
        };
        let count = |text: Option<&str>, signs: &[char]| {
            text.map_or(MAX_CELL_BYTES, |text| text.chars().filter(|c| signs.contains(c)).count())
        };
        match growth {
            Growth::Substituted => Self {
                global: arguments.len() > 3 && constant(3).is_none_or(|flags| flags.contains('g')),
                references: count(constant(2), &['$', '\\']),
                groups: 0,
            },
            Growth::Captures => Self { global: false, references: 0, groups: count(constant(1), &['(']) },
            _ => Self { global: false, references: 0, groups: 0 },
        }
    }
}

// ---------------------------------------------------------------------------------------------

/// The bytes that each value of an argument takes.
enum Sizes {
    One(usize),
    Each(Vec<usize>),
}

impl Sizes {
    fn of(argument: &ColumnarValue) -> Self {
        match argument {
            ColumnarValue::Scalar(value) => Self::One(scalar_bytes(value)),
            ColumnarValue::Array(array) => Self::Each(value_bytes(array)),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Each(sizes) => sizes.len(),
        }
    }

    fn at(&self, row: usize) -> usize {
        match self {
            Self::One(size) => *size,
            Self::Each(sizes) => sizes.get(row).copied().unwrap_or(0),
        }
    }
}

fn scalar_bytes(value: &ScalarValue) -> usize {
    match value.try_as_str() {
        Some(text) => text.map_or(0, str::len),
        None => value.to_array().map_or(0, |array| value_bytes(&array).into_iter().sum()),
    }
}

/// The bytes of each value, its share of a list's elements included.
pub(crate) fn value_bytes(array: &ArrayRef) -> Vec<usize> {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(|text| text.map_or(0, str::len)).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(|text| text.map_or(0, str::len)).collect(),
        DataType::Utf8View => array.as_string_view().iter().map(|text| text.map_or(0, str::len)).collect(),
        DataType::Binary => {
            array.as_binary::<i32>().iter().map(|bytes| bytes.map_or(0, <[u8]>::len)).collect()
        }
        DataType::BinaryView => {
            array.as_binary_view().iter().map(|bytes| bytes.map_or(0, <[u8]>::len)).collect()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let each = element_bytes(list.values());
            (0..list.len()).map(|row| list.value_length(row).max(0) as usize * each).collect()
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let each = element_bytes(list.values());
            (0..list.len()).map(|row| list.value_length(row).max(0) as usize * each).collect()
        }
        _ => vec![element_bytes(array); array.len()],
    }
}

/// The bytes of an element of an array, on average and rounded up.
fn element_bytes(array: &ArrayRef) -> usize {
    if array.is_empty() {
        return 0;
    }
    array.get_array_memory_size().div_ceil(array.len())
}

fn text_of(argument: Option<&ColumnarValue>, row: usize) -> Option<String> {
    match argument? {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten().map(str::to_owned),
        ColumnarValue::Array(array) => {
            let value = ScalarValue::try_from_array(array, row).ok()?;
            value.try_as_str().flatten().map(str::to_owned)
        }
    }
}

/// The number that each row asks for; none and those below 0 count as 0.
enum Numbers {
    One(usize),
    Each(ArrayRef),
}

impl Numbers {
    fn of(argument: &ColumnarValue) -> DfResult<Self> {
        Ok(match argument {
            ColumnarValue::Array(array) => Self::Each(cast(array, &DataType::Int64)?),
            ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(Some(number)) => Self::One(usize::try_from(number).unwrap_or(0)),
                _ => Self::One(0),
            },
        })
    }

    fn at(&self, row: usize) -> usize {
        match self {
            Self::One(number) => *number,
            Self::Each(array) => {
                let numbers = array.as_primitive::<Int64Type>();
                let valid = row < numbers.len() && numbers.is_valid(row);
                if valid { usize::try_from(numbers.value(row)).unwrap_or(0) } else { 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringViewArray};
    use std::sync::Arc;

    fn text(value: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(value))
    }

    fn number(value: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(value))
    }

    fn allowed(growth: Growth, arguments: &[ColumnarValue]) -> bool {
        check("f", growth, arguments).unwrap().is_ok()
    }

    #[test]
    fn each_growth_has_its_limit() {
        let long = "x".repeat(600 << 10);
        let cases = [
            (Growth::Times, vec![text("ab"), number(10)], true),
            (Growth::Times, vec![text("ab"), number(1 << 30)], false),
            (Growth::Times, vec![text(""), number(i64::MAX)], false),
            (Growth::Times, vec![text("ab"), number(-1)], true),
            (Growth::Pad, vec![text("ab"), number(100), text("x")], true),
            (Growth::Pad, vec![text(""), number(1 << 40)], false),
            (Growth::Sum, vec![text("ab"), text("cd")], true),
            (Growth::Sum, vec![text(&long), text(&long)], false),
            (Growth::Separated, vec![text(&long), text("a"), text("b")], false),
            (Growth::Twice, vec![text(&long)], false),
            (Growth::Replaced, vec![text(&long), text("y"), text("a long word")], true),
            (Growth::Replaced, vec![text(&long), text("x"), text("a long word")], false),
            (Growth::Replaced, vec![text(&long), text("x"), text("")], true),
            (Growth::Substituted, vec![text("some text"), text("(.)"), text("$1")], true),
            (Growth::Substituted, vec![text(&long), text("x"), text("long"), text("g")], false),
            (Growth::Substituted, vec![text(&long), text("x"), text("long")], true),
            (Growth::Captures, vec![text("abc"), text("(a)(b)")], true),
            (Growth::Captures, vec![text(&long), text("((((((.*))))))")], false),
            (Growth::Formatted, vec![number(0), text("%Y-%m-%d")], true),
            (Growth::Formatted, vec![number(0), text(&"%c".repeat(100_000))], false),
            (Growth::Product, vec![text("abc"), text("abd")], true),
            (Growth::Product, vec![text(&long), text("abd")], false),
        ];
        for (growth, arguments, expected) in cases {
            assert_eq!(allowed(growth, &arguments), expected, "{growth:?} {}", arguments.len());
        }
    }

    #[test]
    fn a_batch_has_a_limit_too() {
        let rows: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..8_192).map(|_| "x")));
        let times: ArrayRef = Arc::new(Int64Array::from_iter_values((0..8_192).map(|_| 100_000)));
        let arguments = [ColumnarValue::Array(rows.clone()), ColumnarValue::Array(times)];
        assert!(!allowed(Growth::Times, &arguments));
        assert!(allowed(Growth::Times, &[ColumnarValue::Array(rows), number(1_000)]));
    }
}

//! Tables for people.

/// Columns as wide as their widest cell, two spaces apart; nothing but the heads if there are no rows.
pub fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let mut widths = heads.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(heads.iter().copied(), &widths);
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("{}\n", padded.join("  ").trim_end())
}

/// A value, or a dash where there is none.
pub fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Several values in one cell, or a dash.
pub fn list(values: impl IntoIterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    or_dash(Some(values.join(",")).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["/a".to_owned(), "1".to_owned()], ["/längere".to_owned(), "20".to_owned()]];
        assert_eq!(table(["ID", "N"], rows), "ID        N\n/a        1\n/längere  20\n");
        assert_eq!(table(["ID", "N"], []), "ID  N\n");
    }

    #[test]
    fn what_is_not_there_is_a_dash() {
        assert_eq!(
            (or_dash(None::<u8>), or_dash(Some(1)), list(Vec::<u8>::new()), list([1, 2])),
            ("-".into(), "1".into(), "-".into(), "1,2".into())
        );
    }
}

//! Tables in a terminal.

/// Rows as columns of equal width, under a line that says what stands where.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&head)];
    lines.extend(rows.iter().map(|row| line(&row.each_ref().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let rows =
            [["1".to_owned(), "änderung".to_owned(), "x".to_owned()], ["200".to_owned(), String::new(), String::new()]];
        assert_eq!(table(["id", "name", "why"], &rows), "id   name      why\n1    änderung  x\n200");
    }
}

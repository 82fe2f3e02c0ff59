//! The README's table of what counts as equal, row by row.

use crate::equal;

/// The answers of a cell: between backticks, a group of them up to each `·`.
fn groups(cell: &str) -> Vec<Vec<String>> {
    let answers = |group: &str| {
        group
            .split('`')
            .skip(1)
            .step_by(2)
            .map(String::from)
            .collect()
    };
    cell.split(" · ").map(answers).collect()
}

#[test]
fn the_table_of_the_readme_holds() {
    let readme = include_str!("../../README.md").replace("\\|", "\u{1}");
    let (_, table) = readme.split_once("## What counts as equal").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`') && !line.contains("matrix"));
    let mut checked = 0;
    for row in rows {
        let row = row.trim_matches('|');
        let cells: Vec<String> = row.split('|').map(|c| c.replace('\u{1}', "|")).collect();
        let [_, same, different] = cells.as_slice() else {
            panic!("three cells: {row}");
        };
        for (cell, expected) in [(same, true), (different, false)] {
            for group in groups(cell).iter().filter(|group| !group.is_empty()) {
                for other in &group[1..] {
                    let verdict = equal(&group[0], other);
                    let reason = &verdict.reason;
                    assert_eq!(verdict.equal, expected, "{} | {other}: {reason}", group[0]);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 40, "{checked} pairs");
}

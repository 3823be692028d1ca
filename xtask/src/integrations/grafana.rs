//! A dashboard for Grafana, over what the rais module of snmp_exporter scrapes.

use anyhow::Result;
use serde_json::{Value, json};

/// One panel.
struct Panel {
    title: &'static str,
    kind: Kind,
    unit: &'static str,
    /// Query and legend.
    queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One number, red above zero.
    Alarm,
    /// One number.
    Number,
    /// Over time.
    Series,
    /// States over time.
    States,
}

const PANELS: &[Panel] = &[
    Panel {
        title: "Unserved addresses",
        kind: Kind::Alarm,
        unit: "short",
        queries: &[(
            "max by (raisGroupName) (raisGroupAddressesUnserved{raisGroupName=~\"$group\"})",
            "{{raisGroupName}}",
        )],
    },
    Panel {
        title: "Addresses served twice",
        kind: Kind::Alarm,
        unit: "short",
        queries: &[(
            "max by (raisGroupName) (raisGroupAddressesDuplicate{raisGroupName=~\"$group\"})",
            "{{raisGroupName}}",
        )],
    },
    Panel {
        title: "Addresses away from home",
        kind: Kind::Number,
        unit: "short",
        queries: &[(
            "max by (raisGroupName) (raisGroupAddressesOrphaned{raisGroupName=~\"$group\"})",
            "{{raisGroupName}}",
        )],
    },
    Panel {
        title: "Healthy boxes",
        kind: Kind::Number,
        unit: "short",
        queries: &[("min by (raisGroupName) (raisGroupHostsOk{raisGroupName=~\"$group\"})", "{{raisGroupName}}")],
    },
    Panel {
        title: "Boxes",
        kind: Kind::States,
        unit: "short",
        queries: &[("max by (raisHostName) (raisHostState{raisGroupName=~\"$group\"})", "{{raisHostName}}")],
    },
    Panel {
        title: "Addresses per box",
        kind: Kind::Series,
        unit: "short",
        queries: &[("max by (raisHostName) (raisHostServed{raisGroupName=~\"$group\"})", "{{raisHostName}}")],
    },
    Panel {
        title: "Utilisation",
        kind: Kind::Series,
        unit: "percentunit",
        queries: &[(
            "max by (raisHostName) (raisHostUtilisation{raisGroupName=~\"$group\"}) / 1000",
            "{{raisHostName}}",
        )],
    },
    Panel {
        title: "Moves of addresses",
        kind: Kind::Series,
        unit: "ops",
        queries: &[
            (
                "sum by (instance) (rate(raisGroupAcquires{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} acquires",
            ),
            (
                "sum by (instance) (rate(raisGroupReleases{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} releases",
            ),
            (
                "sum by (instance) (rate(raisGroupAcquireFailures{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} failures",
            ),
        ],
    },
    Panel {
        title: "Addresses that move most",
        kind: Kind::Series,
        unit: "short",
        queries: &[(
            "topk(10, max by (raisAddressInet) (increase(raisAddressTransitions{raisGroupName=~\"$group\"}[10m])))",
            "{{raisAddressInet}}",
        )],
    },
    Panel {
        title: "Tests",
        kind: Kind::States,
        unit: "short",
        queries: &[("raisTestState", "{{instance}} {{raisTestName}}")],
    },
    Panel {
        title: "Group messages",
        kind: Kind::Series,
        unit: "pps",
        queries: &[
            (
                "sum by (instance) (rate(raisGroupMessagesIn{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} in",
            ),
            (
                "sum by (instance) (rate(raisGroupMessagesOut{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} out",
            ),
            (
                "sum by (instance) (rate(raisGroupDrops{raisGroupName=~\"$group\"}[$__rate_interval]))",
                "{{instance}} dropped",
            ),
        ],
    },
    Panel {
        title: "Names advertised",
        kind: Kind::Series,
        unit: "short",
        queries: &[("raisZoneRecords", "{{instance}} {{raisZoneName}}")],
    },
];

/// The dashboard.
pub fn dashboard() -> Result<String> {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    let mut panels = Vec::new();
    let (mut x, mut y) = (0, 0);
    for (panel, id) in PANELS.iter().zip(1..) {
        let small = matches!(panel.kind, Kind::Alarm | Kind::Number);
        let (width, height) = if small { (6, 4) } else { (12, 8) };
        panels.push(json!({
            "id": id,
            "title": panel.title,
            "type": match panel.kind {
                Kind::Alarm | Kind::Number => "stat",
                Kind::Series => "timeseries",
                Kind::States => "state-timeline",
            },
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": {
                "unit": panel.unit,
                "mappings": mappings(panel),
                "thresholds": {"mode": "absolute", "steps": thresholds(panel.kind)},
            }, "overrides": []},
            "targets": panel.queries.iter().zip('A'..).map(|((query, legend), letter)| json!({
                "refId": letter.to_string(), "expr": query, "legendFormat": legend, "datasource": source,
            })).collect::<Vec<_>>(),
        }));
        x += width;
        if x >= 24 {
            (x, y) = (0, y + height);
        }
    }
    let variables = json!([
        {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
        {"name": "group", "type": "query", "label": "Group", "datasource": source, "includeAll": true, "multi": true,
         "query": "label_values(raisGroupAddresses, raisGroupName)", "refresh": 2, "current": {"text": "All", "value": "$__all"}},
    ]);
    let dashboard = json!({
        "uid": "rais", "title": "rais: service addresses", "tags": ["rais"], "schemaVersion": 36, "editable": true,
        "description": "Made by `cargo xtask integrations`.",
        "time": {"from": "now-6h", "to": "now"}, "refresh": "30s",
        "templating": {"list": variables}, "panels": panels,
    });
    Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
}

fn thresholds(kind: Kind) -> Value {
    match kind {
        Kind::Alarm => json!([{"color": "green", "value": null}, {"color": "red", "value": 1}]),
        _ => json!([{"color": "green", "value": null}]),
    }
}

fn mappings(panel: &Panel) -> Value {
    let words: &[(&str, &str)] = match panel.title {
        "Boxes" => &[("up", "green"), ("quiesced", "blue"), ("notOk", "orange"), ("dead", "red"), ("left", "text")],
        "Tests" => &[("passing", "green"), ("failing", "red")],
        _ => return json!([]),
    };
    let options: serde_json::Map<_, _> = words
        .iter()
        .zip(1..)
        .map(|((word, color), number)| (number.to_string(), json!({"text": word, "color": color, "index": number})))
        .collect();
    json!([{"type": "value", "options": options}])
}

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	var s samples
	if !math.IsNaN(s.median()) {
		t.Error("the median of nothing is a number")
	}
	for _, f := range []float64{5, 1, 3} {
		s.add(f, nil)
	}
	s.add(0, os.ErrDeadlineExceeded)
	if s.median() != 3 {
		t.Error(s.median())
	}
	s.add(4, nil)
	if s.median() != 3.5 || s.figures[0] != 5 {
		t.Error(s.median(), s.figures)
	}
	if n := s.note("linux"); !strings.HasPrefix(n, "linux: 1 of 5 rounds failed") {
		t.Error(n)
	}
}

func TestVerdict(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		r    row
		want string
	}{
		{row{Skerry: 180, Linux: 340, Limit: limit{Absolute: 185}}, "met"},
		{row{Skerry: 185, Linux: 340, Limit: limit{Absolute: 185}}, "met"},
		{row{Skerry: 186, Linux: 340, Limit: limit{Absolute: 185}}, "missed"},
		{row{Skerry: 0.2, Linux: 1, Limit: limit{Ratio: 0.2}}, "met"},
		{row{Skerry: 0.3, Linux: 1, Limit: limit{Ratio: 0.2}}, "missed"},
		{row{Skerry: 600, Linux: 1000, More: true, Limit: limit{Ratio: 0.5}}, "met"},
		{row{Skerry: 400, Linux: 1000, More: true, Limit: limit{Ratio: 0.5}}, "missed"},
		{row{Skerry: 400, Linux: nan, More: true, Limit: limit{Ratio: 0.5}}, ""},
		{row{Skerry: nan, Linux: 1, Limit: limit{Absolute: 3}}, ""},
		{row{Skerry: 1, Linux: 1}, ""},
	} {
		if got := c.r.verdict(); got != c.want {
			t.Errorf("%+v: %q, expected %q", c.r, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	tab := table{Date: "2026-01-01", Rows: []*row{{Name: "x", Unit: "s", Skerry: math.NaN(), Linux: 1.5, Limit: limit{Ratio: 0.2}, How: "so", Note: "why"}}}
	if err := tab.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rows []struct {
			Name          string
			Skerry, Linux *float64
			Verdict, Note string
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 1 || got.Rows[0].Skerry != nil || *got.Rows[0].Linux != 1.5 || got.Rows[0].Verdict != "" {
		t.Errorf("%s", b.Bytes())
	}
	b.Reset()
	tab.write(&b)
	for _, want := range []string{"≤ 0.2 × Linux", "–", "x: why"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, &b)
		}
	}
}

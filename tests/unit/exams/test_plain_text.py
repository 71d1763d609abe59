from plumbline.exams.plain_text import clauses, plain


def test_case_accents_and_dashes_are_made_plain():
    assert plain("Fußheberparese À L4–L5") == "fussheberparese a l4-l5"


def test_ligatures_fractions_and_odd_spaces_are_written_out():
    assert plain("ﬁbula 4⁄5\u00a0Œdème") == "fibula 4/5 odeme"


def test_decomposed_accents_read_like_composed_ones():
    assert plain("ope\u0301re\u0301") == "opere"


def test_statements_end_at_full_stops_and_turning_words_but_not_in_abbreviations():
    assert clauses(plain("Z. n. TLIF. Kein Fieber, jetzt Schmerz")) == ("z. n. tlif", "kein fieber,", "jetzt schmerz")
    assert clauses(plain("am 3. postoperativen Tag; stabil")) == ("am 3. postoperativen tag", "stabil")


def test_an_empty_text_has_no_statement():
    assert clauses("") == ()


def test_umlauts_written_in_two_letters_lost_or_misread_are_read_as_meant():
    for written in ("Fußheberschwäche", "Fussheberschwaeche", "Fu?heberschw?che", "FuÃŸheberschwÃ¤che"):
        assert plain(written) == "fussheberschwache"


def test_words_that_only_look_like_umlauts_stay():
    assert plain("queue nuevo fuerza true blue does") == "queue nuevo fuerza true blue does"
